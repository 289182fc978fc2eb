/** The demo's page at /live in a real browser, with `clawgate/client` as it is packed. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { startLiveServer } from "../../examples/live/server.js";
import { startBrowser } from "../dashboard/browser.fixtures.ts";
import { ROOT } from "../harness/child.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { listen } from "../harness/ws-backend.ts";

/** The first block of a language in a document. */
function block(text: string, language: string): string {
	const found = new RegExp(`\\x60{3}${language}\\n([\\s\\S]*?)\\x60{3}`).exec(text)?.[1];
	if (found === undefined) throw new Error(`there is no block in ${language}`);
	return found;
}

test("the five minutes of docs/hub.md work as they are written", { timeout: 60_000 }, async () => {
	const text = await readFile(`${ROOT}docs/hub.md`, "utf8");
	let body = "";
	// Really served: a browser does not let a page without an address connect to this machine.
	const site = await listen(createServer((_, response) => response.setHeader("Content-Type", "text/html").end(body)));
	const yaml = block(text, "yaml").replace(":8080", ":0").replace(":9091", ":0").replace(":3000", `:${site.port}`);
	const gateway = await startTestGateway(yaml);
	body = block(text, "html").replace("localhost:8080", `localhost:${gateway.port}`);
	const browser = await startBrowser();
	const page = await browser.newPage();
	const problems: string[] = [];
	page.on("pageerror", (error) => problems.push(error.message));
	page.on("console", (message) => problems.push(message.text()));
	await page.route("https://unpkg.com/centrifuge@5.8.0/dist/centrifuge.js", (route) =>
		route.fulfill({ path: `${ROOT}node_modules/centrifuge/dist/centrifuge.js` }),
	);
	await page.goto(`http://localhost:${site.port}/`);

	await until(() => gateway.logs.some(({ event }) => event === "ws.open"), {
		what: `a connection (${problems.join("; ")})`,
	});
	const data = /-d '(.*)'/.exec(text)?.[1];
	// The subscription may come a moment later.
	await until(
		async () => {
			await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/publish`, { method: "POST", body: data ?? "" });
			return (await page.locator("#out").textContent())?.includes('{"rating":1512}');
		},
		{ what: "the publication in the page" },
	);
});

test("ratings, presence, direct messages and the form work in two browsers, and a lost connection costs nothing", {
	timeout: 60_000,
}, async () => {
	const [livePort, apiPort] = [await freePort(), await freePort()];
	const yaml = (await readFile(`${ROOT}routes.yaml`, "utf8"))
		.replace(/address: ":8080"/, 'address: "127.0.0.1:0"')
		.replace(/address: ":8443"/, 'address: "127.0.0.1:0"')
		.replace(/address: "127.0.0.1:9090"/, 'address: "127.0.0.1:0"');
	const gateway = await startTestGateway(yaml, {
		file: `${ROOT}routes.yaml`,
		env: { DEMO_BACKEND_LIVE: String(livePort), DEMO_HUB_API_PORT: String(apiPort) },
	});
	const live = await startLiveServer({ port: livePort, hubApi: `http://127.0.0.1:${apiPort}`, every: 50 });
	onTestFinished(() => live.close());
	const browser = await startBrowser();
	const problems: string[] = [];
	const open = async (name: string) => {
		const page = await (await browser.newContext({ viewport: { width: 1000, height: 1000 } })).newPage();
		page.on("pageerror", (error) => problems.push(error.message));
		page.on("console", (message) => {
			if (message.type() === "error") problems.push(message.text());
		});
		await page.goto(`http://localhost:${gateway.port}/live?name=${name}`);
		const text = (selector: string) => page.locator(selector).innerText();
		const shows = (selector: string, what: string | RegExp) =>
			until(async () => (await text(selector)).match(what) !== null, {
				timeout: 10_000,
				what: `${what} in ${selector} of ${name} (problems: ${problems.join("; ")})`,
			});
		return { page, text, shows };
	};
	const ada = await open("ada");
	const bob = await open("bob");
	for (const each of [ada, bob]) {
		await each.shows("#status", "Connected.");
		await each.shows("#people", /ada.*\n.*bob/);
		await each.shows("#ratings", /Game 1\s+\d{4}/);
	}

	await ada.page.getByLabel("To", { exact: true }).fill("bob");
	await ada.page.getByLabel("Words", { exact: true }).fill("hello bob");
	await ada.page.getByRole("button", { name: "Send" }).click();
	await bob.shows("#messages", "ada: hello bob");
	expect(await ada.text("#messages")).toBe("");

	await ada.page.getByLabel("Topic", { exact: true }).fill("user.bob");
	await ada.page.getByLabel("Data (JSON)").fill('{"from":"the form","text":"hi"}');
	await ada.page.getByRole("button", { name: "Publish" }).click();
	await ada.shows("#published", "Published.");
	await bob.shows("#messages", "the form: hi");
	await ada.page.getByLabel("Topic", { exact: true }).fill("nowhere");
	await ada.page.getByRole("button", { name: "Publish" }).click();
	await ada.shows("#published", "Not published: unknown topic");

	// Whoever closes it by hand is not obeyed for good: a code below 3500.
	await fetch(`http://127.0.0.1:${apiPort}/api/disconnect`, {
		method: "POST",
		body: JSON.stringify({ hub: "live", user: "bob", disconnect: { code: 4000, reason: "a test" } }),
	});
	await bob.shows("#log", /disconnected by the server, code 4000, “a test”; again in/);
	await fetch(`http://127.0.0.1:${apiPort}/api/publish`, {
		method: "POST",
		body: JSON.stringify({ hub: "live", topic: "user.bob", data: { from: "the night", text: "you were away" } }),
	});
	await bob.shows("#messages", "the night: you were away");
	await bob.shows("#log", "nothing missed");
	await bob.page.context().close();
	await until(async () => !(await ada.text("#people")).includes("bob"), { what: "bob to be gone" });
	// One line of the browser for the form's own mistake.
	expect(problems.filter((problem) => !problem.includes("400 (Bad Request)"))).toEqual([]);
	if (process.env.PICTURE) await ada.page.screenshot({ path: process.env.PICTURE });
});
