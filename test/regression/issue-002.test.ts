/** Mistakes that were found while stage one was hardened, and that no other test would notice again. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { readRequest, resetAfterHead, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";

test("a plain HTTP request that is tried at many endpoints leaves no listeners on its answer", async () => {
	const warnings: Error[] = [];
	const note = (warning: Error): void => void warnings.push(warning);
	process.on("warning", note);
	const backends = await Promise.all(Array.from({ length: 8 }, () => startRawBackend(resetAfterHead)));
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [${backends.map(({ url }) => JSON.stringify(url)).join(", ")}] } }
		routes: [{ match: { path_prefix: / }, upstream: app, retries: { attempts: 8 } }]
	`);
	const client = await connectRaw({ port: gateway.port });
	client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	expect((await client.readHead()).status).toBe(502);
	client.end();
	await until(() => backends.every(({ connections }) => connections.length > 0), { what: "eight attempts" });
	await gateway.expectQuiet();
	process.off("warning", note);
	expect(warnings).toEqual([]);
});

test("a TLS handshake that fails leaves one line, not one for TLS and one for HTTP", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0", tls: { self_signed: [localhost] } }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	const client = await connectRaw({ port: gateway.port });
	client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	await client.ended();
	client.end();
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.reject").map(({ code }) => code)).toEqual(["TLS_FAILED"]);
});

test("a request without Host, or with an unknown Expect, is not answered behind the gateway's back", async () => {
	const backend = await startRawBackend(async (peer) => {
		await readRequest(peer);
		peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	for (const head of ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n"]) {
		const client = await connectRaw({ port: gateway.port });
		client.write(head);
		await client.readHead();
		client.reset();
	}
	await until(() => gateway.lines.of("http.request").length === 2, { what: "two lines" });
	await gateway.expectQuiet();
});
