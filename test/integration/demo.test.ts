/** The demo and the example configurations: what a newcomer tries first. */
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { ROOT, startCli } from "../harness/child.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { listen } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { runCli } from "./cli.fixtures.ts";

async function configurations(): Promise<string[]> {
	const examples = (await readdir(`${ROOT}examples`)).filter((name) => name.endsWith(".yaml"));
	return ["routes.yaml", "examples/hub/routes.yaml", ...examples.map((name) => `examples/${name}`)];
}

test("every example configuration is right, without errors and without warnings", async () => {
	const files = await configurations();
	expect(files.length).toBeGreaterThanOrEqual(4);
	for (const file of files) {
		const { config, problems } = await loadConfig(await readFile(`${ROOT}${file}`, "utf8"), `${ROOT}${file}`, {});
		expect({ file, problems }).toEqual({ file, problems: [] });
		expect(config?.routes.length).toBeGreaterThan(0);
	}
});

test("the demo says which port of its sample servers is taken", async () => {
	const { port } = await listen(createServer());
	const env = { DEMO_BACKEND_ONE: String(await freePort()), DEMO_BACKEND_TWO: String(port) };
	const { code, err } = await runCli(["run", "--demo"], { env });
	expect(code).toBe(1);
	expect(err).toContain(`clawgate: sample server two: port ${port} is taken; set DEMO_BACKEND_TWO to a free port\n`);
});

test("the demo runs: page, WebSocket, TLS, admin, and it stops with exit 0", { timeout: 60_000 }, async () => {
	const ports = { "8080": await freePort(), "8443": await freePort(), "9090": await freePort() };
	let yaml = await readFile(`${ROOT}routes.yaml`, "utf8");
	for (const [usual, free] of Object.entries(ports)) {
		const replaced = yaml.replaceAll(new RegExp(`"[\\d.]*:${usual}"`, "g"), `"127.0.0.1:${free}"`);
		expect(replaced).not.toBe(yaml);
		yaml = replaced;
	}
	const files = await temporaryFiles({ "routes.yaml": yaml });
	const names = ["DEMO_BACKEND_ONE", "DEMO_BACKEND_TWO", "DEMO_BACKEND_LIVE", "DEMO_HUB_API_PORT"] as const;
	const env = Object.fromEntries(
		await Promise.all(names.map(async (name) => [name, String(await freePort())] as const)),
	);
	const child = startCli(["run", "--demo", "-c", files["routes.yaml"]], { env });
	const page = `http://localhost:${ports["8080"]}/`;
	await until(() => (child.stdout() + child.stderr()).includes(page) || child.process.exitCode !== null, {
		timeout: 10_000,
		what: "the demo to say what to open",
	});
	expect(child.stderr() + child.stdout()).toContain(page);
	expect(child.stderr() + child.stdout()).toContain(`https://localhost:${ports["8443"]}/`);

	const answer = await fetch(`http://127.0.0.1:${ports["8080"]}/`);
	expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
	const html = await answer.text();
	const server = /came from server <strong>(\w+)</.exec(html)?.[1];
	expect(["one", "two"]).toContain(server);

	const Cookie = answer.headers.getSetCookie()[0]?.split(";")[0] ?? "";
	const chat = await openWs(`ws://127.0.0.1:${ports["8080"]}/ws`, [], { headers: { Cookie } });
	expect(JSON.parse(String(await chat.next()))).toEqual({ type: "welcome", server, people: 1 });
	chat.socket.send(JSON.stringify({ from: "me", text: "hi" }));
	expect(JSON.parse(String(await chat.next()))).toEqual({ type: "message", server, from: "me", text: "hi" });

	// A second browser has no cookie yet, so it is on the other server: both see what is said, and who says it where.
	const away = await openWs(`ws://127.0.0.1:${ports["8080"]}/ws`);
	const { server: other } = JSON.parse(String(await away.next()));
	expect([server, other].toSorted()).toEqual(["one", "two"]);
	/** What came before may still be on its way from the other server. */
	const said = async (client: typeof chat, text: string) => {
		for (;;) {
			const message = JSON.parse(String(await client.next()));
			if (message.text === text) return message;
		}
	};
	chat.socket.send(JSON.stringify({ from: "me", text: "do you see me?" }));
	for (const each of [chat, away]) expect(await said(each, "do you see me?")).toMatchObject({ server, from: "me" });
	away.socket.send(JSON.stringify({ from: "you", text: "I do" }));
	expect(await said(chat, "I do")).toEqual({ type: "message", server: other, from: "you", text: "I do" });
	const forged = { method: "POST", body: JSON.stringify({ server: "x", from: "x", text: "x" }) };
	expect((await fetch(`http://127.0.0.1:${ports["8080"]}/said`, forged)).status).toBe(403);
	away.socket.close();
	await away.waitClosed();

	const secure = await openWs(`wss://127.0.0.1:${ports["8443"]}/ws`);
	expect(JSON.parse(String(await secure.next()))).toMatchObject({ type: "welcome" });

	const admin = `http://127.0.0.1:${ports["9090"]}`;
	expect((await fetch(`${admin}/readyz`)).status).toBe(200);
	expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(/clawgate_connections_active\{[^}]*\} \d/);

	// The live page: its server makes a token, and what it publishes comes over the hub.
	const livePage = `http://127.0.0.1:${ports["8080"]}/live`;
	expect(child.stderr() + child.stdout()).toContain(`http://localhost:${ports["8080"]}/live `);
	expect((await fetch(livePage)).status).toBe(200);
	const { token } = (await (await fetch(`${livePage}/token?name=ada`)).json()) as { token: string };
	const live = await openWs(`ws://127.0.0.1:${ports["8080"]}/live/socket?token=${token}`);
	for (const type of ["connection_success", "subscribed"]) {
		expect(JSON.parse(String(await live.next()))).toMatchObject({ type });
	}
	const message = { topic: "user.ada", data: { from: "me", text: "hello" } };
	expect((await fetch(`${livePage}/publish`, { method: "POST", body: JSON.stringify(message) })).status).toBe(200);
	expect(JSON.parse(String(await live.next()))).toMatchObject(message);
	expect((await fetch(`${livePage}/events`, { method: "POST", body: "[]" })).status).toBe(403);

	child.kill("SIGTERM");
	expect(await live.waitClosed(8_000)).toMatchObject({ code: 1001 });
	expect(await chat.waitClosed(8_000)).toEqual({ code: 1001, reason: "service restart" });
	expect(await secure.waitClosed(8_000)).toEqual({ code: 1001, reason: "service restart" });
	expect(await child.exit(15_000)).toEqual({ code: 0, signal: null });
	child.out.assertPaired();
	expect(child.out.of("ws.close")).toHaveLength(4);
});
