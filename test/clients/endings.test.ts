/**
 * How connections of client libraries end: through the gateway, with its defaults, as without it. What each library says
 * of each code is the table of docs/clients.md.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startBrowser } from "../dashboard/browser.fixtures.ts";
import { ROOT, startNode } from "../harness/child.ts";
import { until } from "../harness/poll.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { api } from "../integration/admin.fixtures.ts";
import { type Closed, type Connections, connectInPage, connectWith, LIBRARIES, requirePackages } from "./programs.ts";

const SERVER = "test/clients/programs/server.js";
const BROWSER = "Chromium";
/** What a server can do to a connection, by the path it was opened with. */
const CODES = ["1001", "1012", "1013", "1011", "none"] as const;

async function startEchoServer(): Promise<{ url: string; kill(signal: NodeJS.Signals): void }> {
	const child = startNode([SERVER]);
	const said = await until(() => child.out.records[0], { what: "the server's port" });
	return { url: `ws://127.0.0.1:${String(said.port)}`, kill: child.kill };
}

test("client libraries see the end of a connection through the gateway as they do without it", async () => {
	requirePackages();
	const [killed, restarted] = await Promise.all([startEchoServer(), startEchoServer()]);
	// Each code that is not there yet waits for all clients.
	let end: () => void = () => undefined;
	const all = new Promise<void>((resolve) => {
		end = resolve;
	});
	const closing = await startWsBackend({
		onConnection: (socket, { url = "" }) => {
			const code = url.split("/").at(-1) as string;
			if (/^(\d+|none)$/.test(code)) {
				void all.then(() => (code === "none" ? socket.terminate() : socket.close(Number(code), "service restart")));
			}
		},
	});
	// Everything has its defaults, except that drains do not take their time and that programs without an origin of their
	// own have any.
	const yaml = (reloaded: string) => `
		admin: { address: "127.0.0.1:0" }
		listeners: [{ address: "127.0.0.1:0" }]
		defaults: { drain: { spread: 0s }, allowed_origins: ["*"] }
		upstreams:
			killed: { endpoints: ["${killed.url}"] }
			restarted: { endpoints: ["${restarted.url}"] }
			closing: { endpoints: ["${closing.url}"] }
		routes:
			- { name: killed, match: { path: /killed }, upstream: killed }
			- { name: restarted, match: { path: /restarted }, upstream: restarted }
			- { name: closing, match: { path_prefix: /code }, upstream: closing }
			- { name: drained, match: { path: /drained }, upstream: closing }
			- { name: reloaded, match: { path: /reloaded }, upstream: ${reloaded} }
	`;
	const gateway = await startReloadable(yaml("closing"));
	const through = `ws://127.0.0.1:${gateway.port}`;
	const codes = CODES.map((code) => `/code/${code}`);
	const urls = [
		...codes.map((path) => `${closing.url}${path}`),
		`${killed.url}/killed`,
		`${restarted.url}/restarted`,
		...[...codes, "/killed", "/restarted", "/drained", "/reloaded"].map((path) => `${through}${path}`),
	];

	const browser = await startBrowser();
	const clients: [string, Connections][] = [[BROWSER, connectInPage(await browser.newPage(), urls)]];
	for (const floods of [undefined, true]) {
		for (const library of LIBRARIES) {
			if (library.floods === floods) clients.push([library.name, connectWith(library, urls)]);
		}
		await Promise.all(clients.map(([, client]) => client.open()));
	}
	end();
	killed.kill("SIGKILL");
	restarted.kill("SIGTERM");
	expect((await api(gateway.handle, "drain", { method: "POST", body: { route: "drained" } })).status).toBe(202);
	await gateway.change(yaml("killed"));

	const document = readFileSync(`${ROOT}docs/clients.md`, "utf8");
	for (const [name, client] of clients) {
		const ends = await client.closed();
		const [direct, gatewayed] = [ends.slice(0, 7), ends.slice(7)];
		expect.soft(gatewayed.slice(0, 7), `${name}, through the gateway`).toEqual(direct);
		// A drain is what a server does that says 1001 when it stops.
		expect.soft(gatewayed.slice(7), `${name}, drained and reloaded`).toEqual([direct[0], direct[0]]);
		const row = `| ${name} | ${direct.slice(0, 5).map(inWords).join(" | ")} |`;
		expect.soft(document, "docs/clients.md").toContain(row);
	}
	const ended = (route: string) => gateway.lines.of("ws.close").filter((line) => line.route === route);
	// What a process has not read when it is killed makes the end a reset.
	const quiet = ended("killed").filter(({ bytes_in }) => bytes_in === 0);
	expect(new Set(quiet.map(({ termination }) => termination))).toEqual(new Set(["backend_end"]));
}, 60_000);

/** A cell of the table. */
function inWords({ code, clean, error }: Closed): string {
	const number = code === undefined ? (clean ? "as sent" : "lost") : code === null ? "none" : String(code);
	return error ? `${number}, error` : number;
}
