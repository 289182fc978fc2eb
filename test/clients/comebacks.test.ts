/** Libraries that come back by themselves: they do so through the gateway as they do without it, with its defaults. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { expect, onTestFinished, test } from "vitest";
import { startBrowser } from "../dashboard/browser.fixtures.ts";
import { type Child, startNode } from "../harness/child.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { api } from "../integration/admin.fixtures.ts";
import { requirePackages } from "./programs.ts";

/** What a client has told so far, in words; `connected` is among them. */
type Told = () => string[];
type Follow = (url: string, newPage: () => Promise<Page>) => Told | Promise<Told>;

interface Library {
	readonly name: string;
	/** The file in `programs/` and its arguments before the port. */
	readonly server: readonly string[];
	readonly follow: Follow;
	/** Whether its server says goodbye on SIGTERM. */
	readonly goodbye?: boolean;
	/** Route keys other than the default. */
	readonly route?: string;
}

const load = createRequire(import.meta.url);
const inPackages = (path: string) => fileURLToPath(new URL(`packages/node_modules/${path}`, import.meta.url));

const graphql: Follow = (url) => {
	const program = fileURLToPath(new URL("programs/graphql-client.js", import.meta.url));
	const { out } = startNode([program, url.replace("http:", "ws:")]);
	return () => out.records.map(({ told }) => String(told));
};

const socketio =
	(connect: (url: string, options: Partial<ManagerOptions & SocketOptions>) => Socket): Follow =>
	(url) => {
		const told: string[] = [];
		const socket = connect(url, { forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 200 });
		// It begins with polling; the WebSocket comes later.
		socket.on("connect", () => {
			const { engine } = socket.io;
			const connected = () => void told.push("connected");
			if (engine.transport.name === "websocket") connected();
			else engine.once("upgrade", connected);
		});
		socket.on("disconnect", (reason) => void told.push(`disconnected: ${reason}`));
		onTestFinished(() => void socket.disconnect());
		return () => told;
	};

const vite: Follow = async (url, newPage) => {
	const told: string[] = [];
	const page = await newPage();
	page.on("console", (message) => {
		if (message.text().includes("[vite] connected")) told.push("connected");
		if (message.text().includes("connection lost")) told.push("lost");
	});
	// Vite 5 takes any answer for that of its server, also the 502 of a proxy before it: a person reloads that page.
	page.on("response", (response) => {
		if (!response.request().isNavigationRequest() || response.status() !== 502) return;
		setTimeout(() => void page.reload().catch(() => undefined), 500);
	});
	await page.goto(url);
	return () => told;
};

const LIBRARIES: readonly Library[] = [
	{ name: "graphql-ws", server: ["graphql-server.js"], follow: graphql, goodbye: true },
	{ name: "Socket.IO 4", server: ["socketio-server.js", "socket.io"], follow: socketio(io) },
	{
		name: "Socket.IO 2",
		server: ["socketio-server.js", inPackages("socket.io-2")],
		follow: socketio((url, options) => load(inPackages("socket.io-client-2"))(url, options)),
	},
	{ name: "Vite 8", server: ["vite-server.js", inPackages("vite-8/dist/node/index.js")], follow: vite },
	{
		name: "Vite 5",
		server: ["vite-server.js", inPackages("vite-5/dist/node/index.js")],
		follow: vite,
		// It takes every Close for intended, also that of a drain.
		route: "drain: { spread: 0s, close_code: none }",
	},
];

async function startServer([file, ...args]: readonly string[], port: number): Promise<Child> {
	const child = startNode([fileURLToPath(new URL(`programs/${file}`, import.meta.url)), ...args, String(port)]);
	await until(() => child.out.records[0], { timeout: 20_000, what: `${file} to listen; it said: ${child.stderr()}` });
	return child;
}

test("libraries that come back by themselves do so through the gateway as they do without it", async () => {
	requirePackages();
	const browser = await startBrowser();
	await Promise.all(LIBRARIES.map((library) => comesBack(library, () => browser.newPage())));
}, 90_000);

/** Follows one library, directly and through the gateway, while its server is killed, restarted, drained and moved. */
async function comesBack(
	{ name, server, follow, goodbye, route }: Library,
	newPage: () => Promise<Page>,
): Promise<void> {
	// It has to be the same after a restart.
	const port = await freePort();
	let child = await startServer(server, port);
	const yaml = (upstream: string) => `
		admin: { address: "127.0.0.1:0" }
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			one: { endpoints: ["ws://127.0.0.1:${port}"] }
			two: { endpoints: ["ws://127.0.0.1:${port}"] }
		routes: [{ name: all, match: { path_prefix: / }, upstream: ${upstream}, ${route ?? "drain: { spread: 0s }"} }]
	`;
	const gateway = await startReloadable(yaml("one"));
	const direct = await follow(`http://127.0.0.1:${port}/`, newPage);
	const through = await follow(`http://127.0.0.1:${gateway.port}/`, newPage);
	const connected = (told: Told, times: number) =>
		until(() => told().filter((word) => word === "connected").length >= times, {
			timeout: 20_000,
			what: `${name} to be connected ${times} times; so far: ${told()}`,
		});
	await connected(direct, 1);
	await connected(through, 1);
	let times = 1;
	for (const signal of ["SIGKILL", "SIGTERM"] as const) {
		child.kill(signal);
		await child.exit();
		child = await startServer(server, port);
		times++;
		await connected(direct, times);
		await connected(through, times);
		expect(through(), `${name}, ${signal}`).toEqual(direct());
	}
	// What a drain says is what a server says that tells 1001 when it stops, or nothing.
	const lost = direct().slice(goodbye ? 3 : 1, goodbye ? 5 : 3);
	expect((await api(gateway.handle, "drain", { method: "POST", body: { route: "all" } })).status).toBe(202);
	await connected(through, ++times);
	expect(through().slice(-2), `${name}, drained`).toEqual(lost);
	await gateway.change(yaml("two"));
	await connected(through, ++times);
	expect(through().slice(-2), `${name}, reloaded`).toEqual(lost);
}
