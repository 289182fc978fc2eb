/** `clawgate explain` where routes end in hubs. */
import { describe, expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { dedent } from "../harness/gateway.ts";
import { hubToken } from "../harness/hub.ts";
import { SECRET } from "../harness/tokens.ts";
import { runCli, type Said } from "./cli.fixtures.ts";

const YAML = `
	listeners: [{ address: ":8080" }]
	hubs:
	  ratings:
	    topics:
	      - { match: "room.{room}", subscribe: { claims: { rooms: "{room}" } }, publish: nobody }
	      - { match: "user.{user}", subscribe: { claims: { sub: "{user}" } }, join: on_connect }
	    backend: { url: "http://127.0.0.1:1/", ask: [subscribe] }
	routes:
	  - { name: live, match: { path: /live }, hub: { name: ratings, protocol: plain }, auth: { jwt: { secret: "${SECRET}", from: [{ query: t }] } } }
`;

async function explain(...argv: string[]): Promise<Said> {
	const { dir } = await temporaryFiles({ "routes.yaml": dedent(YAML) });
	return await runCli(["explain", ...argv], { cwd: dir });
}

describe("clawgate explain", () => {
	test("says that a connection ends in a hub, and what stands in its way", async () => {
		const good = await explain(`ws://localhost:8080/live?t=${hubToken("7")}`);
		expect([good.code, good.out]).toEqual([
			0,
			expect.stringMatching(/hub +ratings \(plain\)\nresult +ends in the hub ratings/),
		]);
		const bad = await explain("ws://localhost:8080/live");
		expect(bad.out).toMatch(/result +401 JWT_MISSING/);
		const json = await explain("--json", `ws://localhost:8080/live?t=${hubToken("7")}`);
		expect(JSON.parse(json.out)).toMatchObject({
			route: "live",
			hub: { name: "ratings", protocol: "plain" },
			upstreams: [],
		});
	});

	test("says what a client may do in a topic, and by which rule", async () => {
		const { code, out } = await explain(
			"--hub",
			"ratings",
			"--claims",
			'{"sub":"7","rooms":["a"]}',
			"--topic",
			"room.a",
		);
		expect([code, out]).toEqual([
			0,
			[
				"rule       room.{room} (room = a)",
				"client     7",
				"subscribe  yes, if the backend says so",
				"publish    no",
				"joins      user.7",
				"",
			].join("\n"),
		]);
		const other = await explain("--json", "--hub", "ratings", "--claims", '{"sub":"7"}', "--topic", "user.8");
		expect(JSON.parse(other.out)).toMatchObject({ rule: "user.{user}", subscribe: false, publish: false });
		expect((await explain("--hub", "ratings", "--topic", "user.8")).out).toContain("not let in (anonymous: false)");
	});

	test.each([
		[["--hub", "rating", "--topic", "a"], 1, 'there is no hub rating, did you mean "ratings"?'],
		[["--hub", "ratings", "--topic", "other"], 1, "unknown topic: no rule of the hub ratings matches other"],
		[["--hub", "ratings"], 2, "--topic: name the topic"],
		[["--hub", "ratings", "--topic", "a..b"], 2, "--topic: a segment of the topic is empty"],
		[["--hub", "ratings", "--topic", "a", "--claims", "[1]"], 2, "--claims takes a JSON object"],
		[["--topic", "a", "ws://localhost/"], 2, "--topic and --claims go with --hub"],
	] as const)("%j: exit %d", async (argv, code, words) => {
		const said = await explain(...argv);
		expect([said.code, said.err]).toEqual([code, expect.stringContaining(words)]);
	});
});
