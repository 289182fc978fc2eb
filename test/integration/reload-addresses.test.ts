/** Addresses over reloads: one that stays is open all the time, and a reload that cannot have one changes nothing. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { echoingFrames, type RawBackend, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { type ReloadableGateway, startReloadable } from "../harness/reloadable.ts";
import { startWorkers } from "../harness/workers.ts";

const SELF_SIGNED = "tls: { self_signed: [localhost] }";

/** A routes.yaml with these listeners; `route` is the route's name. */
function yaml(backend: RawBackend, listeners: readonly string[], route = "chat"): string {
	return `
		listeners: [${listeners.join(", ")}]
		upstreams: { chat: { endpoints: ["${backend.url}"] } }
		routes: [{ name: ${route}, match: { path_prefix: / }, upstream: chat }]
	`;
}

async function echoes(client: RawClient, text: string): Promise<void> {
	client.sendFrame(OPCODE.text, text);
	expect((await client.readFrame()).text).toBe(text);
}

function lastReload({ lines }: ReloadableGateway) {
	return lines.records.findLast(({ event }) => event === "config.reload" || event === "config.rejected");
}

/** An address of this machine that is not loopback. */
function ownAddress(): string | undefined {
	return Object.values(networkInterfaces())
		.flatMap((addresses) => addresses ?? [])
		.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

function reaches(host: string, port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ host, port });
		socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
		socket.once("connect", () => socket.destroy());
	});
}

describe("a reload", () => {
	test("moves a listener from every interface to loopback and back; what is open stays open", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const [all, loopback] = [`{ name: main, address: ":${port}" }`, `{ name: main, address: "127.0.0.1:${port}" }`];
		const gateway = await startReloadable(yaml(backend, [all]));
		const client = await openRaw(port);
		await gateway.change(yaml(backend, [loopback]));
		expect(lastReload(gateway)).toMatchObject({ event: "config.reload" });
		await echoes(client, "opened before");
		await echoes(await openRaw(port), "the same port");
		const other = ownAddress();
		if (other) expect(await reaches(other, port)).toBe(false);
		await gateway.change(yaml(backend, [all]));
		expect(lastReload(gateway)).toMatchObject({ event: "config.reload" });
		await echoes(await openRaw(port), "every interface again");
		await echoes(client, "still there");
	});

	test("that moves a listener and cannot have another address changes nothing, and the next one can move it", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const gateway = await startReloadable(yaml(backend, [`{ name: main, address: ":${port}" }`]));
		const moved = `{ name: main, address: "127.0.0.1:${port}" }`;
		// Nobody has this address (RFC 5737), and it clashes with the open one.
		const impossible = `{ name: nowhere, address: "192.0.2.1:${port}" }`;
		await gateway.change(yaml(backend, [moved, impossible], "renamed"));
		expect(lastReload(gateway)).toMatchObject({ event: "config.rejected" });
		await echoes(await openRaw(port), "every interface still");
		await gateway.lines.waitFor("ws.open");
		expect(gateway.lines.records.findLast(({ event }) => event === "ws.open")).toMatchObject({ route: "chat" });
		expect(Object.keys(gateway.handle.ports)).toEqual(["main"]);
		await gateway.change(yaml(backend, [moved], "renamed"));
		expect(lastReload(gateway)).toMatchObject({ event: "config.reload" });
		await echoes(await openRaw(port), "moved");
	});

	test("changes TLS of a listener whose address could not be opened again: it stays open", async () => {
		const backend = await startRawBackend(echoingFrames());
		const listener = (folder: string, more: string) => `{ name: main, address: "unix:${folder}/gateway.sock"${more} }`;
		let place = "";
		const gateway = await startReloadable(yaml(backend, ['{ name: other, address: "127.0.0.1:0" }']), (folder) => {
			place = join(folder, "run");
			mkdirSync(place);
		});
		await gateway.change(yaml(backend, [listener(place, "")]));
		// The socket is there under another name; nothing can be bound at the old one.
		renameSync(place, `${place}.moved`);
		writeFileSync(place, "");
		await gateway.change(yaml(backend, [listener(place, `, ${SELF_SIGNED}`)], "encrypted"));
		expect(lastReload(gateway)).toMatchObject({ event: "config.reload" });
		const status = await new Promise((resolve, reject) => {
			const options = { socketPath: `${place}.moved/gateway.sock`, path: "/..", rejectUnauthorized: false };
			request(options, (answer) => resolve(answer.resume().statusCode))
				.on("error", reject)
				.end();
		});
		expect(status).toBe(400);
		rmSync(`${place}.moved`, { recursive: true });
	});

	test("changes TLS of a listener while clients connect: none of them is refused", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const listener = (more: string) => `{ name: main, address: "127.0.0.1:${port}"${more} }`;
		const gateway = await startReloadable(yaml(backend, [listener("")]));
		const client = await openRaw(port);
		let refused = 0;
		let connected = 0;
		let stop = false;
		const knocking = (async () => {
			while (!stop) (await reaches("127.0.0.1", port)) ? connected++ : refused++;
		})();
		for (const more of [`, ${SELF_SIGNED}`, "", `, ${SELF_SIGNED}`])
			await gateway.change(yaml(backend, [listener(more)]));
		stop = true;
		await knocking;
		expect({ refused, some: connected > 0 }).toEqual({ refused: 0, some: true });
		await echoes(await openRaw(port, "/", { tls: true }), "over TLS");
		await echoes(client, "opened without");
	});

	test("counts connections of before the change for max_connections", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const listener = (more: string) => `{ name: main, address: "127.0.0.1:${port}", max_connections: 1${more} }`;
		const gateway = await startReloadable(yaml(backend, [listener("")]));
		const client = await openRaw(port);
		await gateway.change(yaml(backend, [listener(`, ${SELF_SIGNED}`)]));
		await expect(openRaw(port, "/", { tls: true })).rejects.toThrow();
		await gateway.lines.waitFor(({ code }) => code === "LIMIT_CONNECTIONS");
		client.end();
		await until(
			async () =>
				openRaw(port, "/", { tls: true }).then(
					() => true,
					() => false,
				),
			{
				what: "a place for another client",
			},
		);
	});

	test("whose admin port cannot be opened changes nothing; it moves, and takes a token, like a listener", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const config = (admin: string, route: string) =>
			`${yaml(backend, ['{ name: main, address: "127.0.0.1:0" }'], route)}\n\t\tadmin: ${admin}`;
		const status = async (token = "") =>
			(await fetch(`http://127.0.0.1:${port}/api/v1/routes`, { headers: { Authorization: `Bearer ${token}` } })).status;
		const gateway = await startReloadable(config(`{ address: ":${port}", token: one }`, "chat"));
		await gateway.change(config(`{ address: "192.0.2.1:${port}", token: one }`, "renamed"));
		expect(lastReload(gateway)).toMatchObject({ event: "config.rejected" });
		await openRaw(gateway.port);
		expect(await gateway.lines.waitFor("ws.open")).toMatchObject({ route: "chat" });
		expect(await status("one")).toBe(200);
		await gateway.change(config(`{ address: "127.0.0.1:${port}", token: two }`, "chat"));
		expect([await status("one"), await status("two")]).toEqual([401, 200]);
		await gateway.change(config(`{ address: "127.0.0.1:${port}", token: three }`, "chat"));
		expect([await status("two"), await status("three")]).toEqual([401, 200]);
	});

	test("of a gateway with workers moves a listener, too, and one that fails gives it back", async () => {
		const backend = await startRawBackend(echoingFrames());
		const port = await freePort();
		const config = (...listeners: string[]) => `workers: 2\n${yaml(backend, listeners).replaceAll(/^\t+/gm, "")}`;
		const { change } = await startWorkers(config(`{ name: main, address: ":${port}" }`), port);
		const client = await openRaw(port);
		const nowhere = `{ name: nowhere, address: "192.0.2.1:${port}" }`;
		expect(await change(config(`{ name: main, address: "127.0.0.1:${port}" }`, nowhere))).toMatchObject({
			event: "config.rejected",
		});
		await echoes(await openRaw(port), "given back");
		const moved = `{ name: main, address: "127.0.0.1:${port}", ${SELF_SIGNED} }`;
		expect(await change(config(moved))).toMatchObject({ event: "config.reload" });
		await echoes(await openRaw(port, "/", { tls: true }), "moved");
		await echoes(client, "opened before");
	});
});
