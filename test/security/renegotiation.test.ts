/** TLS 1.2 lets a peer renegotiate: a whole handshake for the other side each time, beside every limit (CVE-2011-1473). */
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { certificate } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { accepting, acceptingPolitely, silent, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectAlive, plainHead, startTarget } from "./bad-input.ts";

const TLS_1_2 = { maxVersion: "TLSv1.2", rejectUnauthorized: false } as const;

function renegotiate(socket: unknown): void {
	(socket as TLSSocket).renegotiate({ rejectUnauthorized: false }, () => undefined);
}

test("in a tunnel it ends the connection; the backend is told, and the line says why", async () => {
	const { gateway, backend } = await startTarget({ tls: true, script: acceptingPolitely() });
	const client = await openRaw(gateway.port, "/", { tls: TLS_1_2 });
	const server = await backend.connection();
	client.sendFrame(OPCODE.text, "hello");
	expect((await server.readFrame()).text).toBe("hello");
	renegotiate(client.socket);
	expect(await server.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1001 });
	await client.ended();
	client.end();
	server.sendClose(1001);
	server.end();
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		termination: "protocol_error",
		close_initiator: "gateway",
		close_reason: "the client asked to renegotiate TLS",
	});
	await gateway.expectQuiet();
});

test.each([
	["before any request", Buffer.alloc(0)],
	["after a plain request was answered", plainHead({})],
])("%s it ends the connection, with a line", async (_, request) => {
	const target = await startTarget({ tls: true });
	const client = await connectRaw({ port: target.gateway.port, tls: TLS_1_2 });
	client.write(request);
	if (request.length > 0) await client.readHead();
	renegotiate(client.socket);
	await client.ended();
	client.end();
	const line = await target.gateway.waitForLog("ws.reject");
	expect(line).toMatchObject({ code: "TLS_FAILED", message: expect.stringMatching(/renegotiate/) });
	await expectAlive(target);
	await target.gateway.expectQuiet();
});

test("while the backend has not answered it ends the connection, with a line", async () => {
	const { gateway, backend } = await startTarget({ tls: true, script: silent, handshake: "5s" });
	const client = await connectRaw({ port: gateway.port, tls: TLS_1_2 });
	client.write(client.handshakeHead("/"));
	await backend.connection();
	renegotiate(client.socket);
	await client.ended();
	client.end();
	expect(await gateway.waitForLog("ws.reject")).toMatchObject({ code: "CLIENT_GONE" });
	await gateway.expectQuiet();
});

test("a backend that asks for it is refused", async () => {
	const backend = await startRawBackend(accepting(), {
		tls: { ...(await certificate(["localhost"])), maxVersion: "TLSv1.2" },
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"], tls: { verify: false } } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const client = await openRaw(gateway.port);
	const server = await backend.connection();
	let renegotiated = false;
	(server.socket as TLSSocket).renegotiate({ rejectUnauthorized: false }, (error) => {
		renegotiated = error === null;
	});
	client.sendFrame(OPCODE.text, "goes on");
	expect((await server.readFrame()).text).toBe("goes on");
	expect(renegotiated).toBe(false);
	client.reset();
	server.reset();
	await gateway.expectQuiet();
});
