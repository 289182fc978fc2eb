/** A real browser over wss, its page served through the gateway too. */
import { existsSync } from "node:fs";
import { chromium, type Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { startChatServer } from "../../examples/chat-server.js";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";

const CHROMIUM = "/usr/bin/chromium";

async function startBrowser() {
	if (!existsSync(CHROMIUM)) {
		throw new Error(
			`${CHROMIUM} is missing: install it (Debian, Ubuntu: apt-get install chromium), this test needs a real browser`,
		);
	}
	const browser = await chromium.launch({
		executablePath: CHROMIUM,
		args: [
			"--no-sandbox",
			"--disable-gpu",
			"--disable-quic",
			"--no-first-run",
			"--disable-background-networking",
			"--disable-component-update",
			"--disable-sync",
		],
	});
	onTestFinished(() => browser.close());
	return browser;
}

const statusOf = (page: Page) => page.locator("#status").textContent();
const logOf = (page: Page) => page.locator("#log").textContent();

test("two tabs chat over wss on one server, and a stop tells them 1001", { timeout: 90_000 }, async () => {
	const one = await startChatServer({ name: "one" });
	onTestFinished(() => one.close());
	const two = await startChatServer({ name: "two" });
	onTestFinished(() => two.close());
	const gateway = await startTestGateway(`
		listeners:
			- { name: secure, address: "127.0.0.1:0", tls: { self_signed: [localhost] } }
		upstreams:
			chat:
				endpoints: ["ws://127.0.0.1:${one.port}", "ws://127.0.0.1:${two.port}"]
				sticky: { cookie: { name: clawgate } }
		routes: [{ name: chat, match: { path_prefix: / }, upstream: chat }]
		shutdown: { drain: { timeout: 5s, spread: 100ms } }
	`);
	const browser = await startBrowser();
	const context = await browser.newContext({ ignoreHTTPSErrors: true });
	const problems: string[] = [];
	const tabs: Page[] = [];
	for (let i = 0; i < 2; i++) {
		const page = await context.newPage();
		page.on("pageerror", (error) => problems.push(error.message));
		page.on("console", (message) => {
			if (message.type() === "error") problems.push(message.text());
		});
		const answer = await page.goto(`https://localhost:${gateway.port}/`);
		expect(answer?.status()).toBe(200);
		await until(async () => (await statusOf(page))?.startsWith("Connected"), {
			timeout: 15_000,
			what: `the page to connect (problems: ${problems.join("; ")})`,
		});
		tabs.push(page);
	}
	const [alice, bob] = tabs as [Page, Page];
	// The page came by plain HTTP, the socket by an upgrade, the second tab later: the cookie keeps all on one server.
	const server = await alice.locator("strong").textContent();
	expect(await bob.locator("strong").textContent()).toBe(server);
	expect(await statusOf(bob)).toContain(`Connected to server ${server}; 2 people`);

	await alice.getByLabel("Your name").fill("alice");
	await alice.getByRole("textbox", { name: "Message" }).fill("hällo bob");
	await alice.getByRole("button", { name: "Send" }).click();
	await until(async () => (await logOf(bob))?.includes("alicehällo bob"), { what: "the message in the other tab" });
	expect(problems).toEqual([]);

	const opened = await gateway.waitForLog("ws.open");
	expect(opened).toMatchObject({ route: "chat", upstream: "chat", path: "/ws" });
	expect(opened.origin).toBe(`https://localhost:${gateway.port}`);
	expect(opened.tls_version).toMatch(/1\.3/);
	expect(opened.user_agent).toContain("Chrome");
	const cookie = (await context.cookies()).find(({ name }) => name === "clawgate");
	expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: "Lax" });

	await gateway.stop();
	for (const page of tabs) {
		await until(async () => (await logOf(page))?.includes("code 1001, “service restart”"), {
			what: "the page to show why it was disconnected",
		});
	}
	expect(gateway.lines.of("ws.close").map(({ close_code, close_initiator }) => [close_code, close_initiator])).toEqual([
		[1001, "gateway"],
		[1001, "gateway"],
	]);
	await gateway.expectQuiet();
});

test("a browser that leaves the page is logged as a normal close 1001 by the client", { timeout: 90_000 }, async () => {
	const one = await startChatServer({ name: "one" });
	onTestFinished(() => one.close());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { chat: { endpoints: ["ws://127.0.0.1:${one.port}"] } }
		routes: [{ match: { path_prefix: / }, upstream: chat }]
	`);
	const browser = await startBrowser();
	const page = await browser.newPage();
	await page.goto(gateway.url("/", "http"));
	await until(async () => (await statusOf(page))?.startsWith("Connected"), {
		timeout: 15_000,
		what: "the page to connect",
	});
	await page.goto("about:blank");
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 1001,
		close_initiator: "client",
		termination: "normal",
	});
	await browser.close();
	await gateway.expectQuiet();
});
