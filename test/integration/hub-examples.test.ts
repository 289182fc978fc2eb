/** The recipes of docs/hub.md, as they stand in examples/hub, against a gateway with their routes.yaml. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../harness/child.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { freePort } from "../harness/ports.ts";

let gateway: TestGateway;
const env: Record<string, string> = {};

beforeAll(async () => {
	env.HUB_PORT = String(await freePort());
	env.HUB_API_PORT = String(await freePort());
	const file = `${ROOT}examples/hub/routes.yaml`;
	gateway = await startTestGateway(await readFile(file, "utf8"), { file, env, autoStop: false });
});

afterAll(() => gateway.stop({ immediately: true }));

/** What a recipe prints. It imports `clawgate/client` by the package's exports. */
async function run(recipe: string): Promise<string[]> {
	const options = { env: { ...process.env, ...env }, timeout: 20_000 };
	const { stdout } = await promisify(execFile)(process.execPath, [`${ROOT}examples/hub/${recipe}.js`], options);
	return stdout.trimEnd().split("\n");
}

const EXPECTED = {
	ratings: ["game 42: 1510 (publication 1)", "game 42: 1520 (publication 2)", "game 42: 1530 (publication 3)"],
	chat: ["ada reads: ada: hello", "bob and chat.coffee: PERMISSION_DENIED", "bob reads: ada: hello"],
	notifications: ["laptop: you won", "laptop: your game begins", "phone: you won", "phone: your game begins"],
	presence: ["bob has left", "in the room: ada, bob"],
	answer: [
		"(back, nothing missed)",
		"A hub keeps the last tokens of an answer so that a lost connection loses none of them .",
	],
};

test.concurrent.each(Object.entries(EXPECTED))(
	"the recipe %s does what it says",
	{ timeout: 25_000 },
	async (recipe, lines) => {
		expect((await run(recipe)).toSorted()).toEqual(lines);
	},
);
