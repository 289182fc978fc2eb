import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { healthRoutes } from "../../../src/admin/health.ts";
import { type AdminServer, startAdmin } from "../../../src/admin/server.ts";
import { until } from "../../harness/poll.ts";
import { ask, portOf } from "./client.fixtures.ts";

const PROBE = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

let admin: AdminServer | undefined;
const sockets: Socket[] = [];

afterEach(async () => {
	for (const socket of sockets.splice(0)) socket.destroy();
	await admin?.close();
});

async function start(): Promise<AdminServer> {
	admin = await startAdmin({
		address: { host: "127.0.0.1", port: 0 },
		token: "s3cret",
		routes: [
			...healthRoutes(() => ({ ready: true })),
			{ method: "GET", path: "/stream", public: true, handler: (_, response) => void response.write("begun") },
			{ method: "GET", path: "/api/v1/things", handler: (_, response) => void response.end("{}") },
		],
	});
	return admin;
}

/** A connection that has been answered once and stays open. */
async function keep(server: AdminServer, request: string, localAddress = "127.0.0.1"): Promise<Socket> {
	const socket = connect({ host: "127.0.0.1", port: portOf(server), localAddress });
	sockets.push(socket);
	socket.on("error", () => {});
	socket.write(request);
	await Promise.race([once(socket, "data"), once(socket, "close")]);
	return socket;
}

async function keepMany(server: AdminServer, count: number, request: string, localAddress?: string): Promise<void> {
	for (let done = 0; done < count; done += 50) {
		await Promise.all(Array.from({ length: Math.min(50, count - done) }, () => keep(server, request, localAddress)));
	}
}

const STREAM = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";

describe("the admin port", () => {
	it("answers everybody while a stranger keeps 1 100 connections to /healthz, and ends the stranger's oldest", async () => {
		const server = await start();
		const operator = await keep(server, PROBE, "127.0.0.2");
		const oldest = await keep(server, PROBE);
		await keepMany(server, 1100, PROBE);
		await until(() => oldest.destroyed, { what: "the oldest connection of the stranger to be ended" });
		expect((await ask(server, "GET", "/healthz")).status).toBe(200);
		expect((await ask(server, "GET", "/readyz")).status).toBe(200);
		const authorization = "Bearer s3cret";
		expect((await ask(server, "GET", "/api/v1/things", { authorization })).status).toBe(200);
		expect(sockets.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(129);
		expect(operator.destroyed).toBe(false);
	});

	it("answers health also to an address whose connections are all at work, and nothing else", async () => {
		const server = await start();
		await keepMany(server, 128, STREAM);
		const probe = await ask(server, "GET", "/healthz");
		expect([probe.status, probe.headers.connection]).toEqual([200, "close"]);
		expect((await ask(server, "GET", "/readyz")).status).toBe(200);
		const other = await ask(server, "GET", "/api/v1/things", { authorization: "Bearer s3cret" });
		expect(other.status).toBe(503);
		expect(JSON.parse(other.body).error.code).toBe("TOO_MANY_CONNECTIONS");
		expect(sockets.some((socket) => socket.destroyed)).toBe(false);
	});

	it("takes a place from the address with the most connections when all places are at work", {
		timeout: 30_000,
	}, async () => {
		const server = await start();
		for (let address = 1; address <= 8; address++) await keepMany(server, 128, STREAM, `127.0.1.${address}`);
		const newcomer = await keep(server, STREAM, "127.0.0.9");
		expect(newcomer.destroyed).toBe(false);
		await until(() => sockets.filter((socket) => socket.destroyed).length === 1, {
			what: "one connection to be ended",
		});
	});
});
