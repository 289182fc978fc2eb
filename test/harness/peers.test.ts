/** The harness against itself: what the other tests rely on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { certificate } from "./certs.ts";
import { closePayload, frame, OPCODE, parseFrame } from "./frames.ts";
import { dedent } from "./gateway.ts";
import { LogLines } from "./log-lines.ts";
import { until } from "./poll.ts";
import { closedPort } from "./ports.ts";
import {
	accepting,
	acceptingSlowly,
	echoingBytes,
	echoingFrames,
	refusing,
	resetAfterHead,
	resetOnAccept,
	startRawBackend,
	wrongAccept,
} from "./raw-backend.ts";
import { connectRaw, openRaw } from "./raw-client.ts";
import { openFds } from "./resources.ts";

test("a frame that was built reads back the same, whatever its length, mask and length form", () => {
	fc.assert(
		fc.property(
			fc.constantFrom(...Object.values(OPCODE)),
			fc.oneof(
				fc.uint8Array({ maxLength: 200 }),
				fc.integer({ min: 120, max: 70_000 }).map((n) => new Uint8Array(n)),
			),
			fc.boolean(),
			fc.boolean(),
			fc.constantFrom(undefined, 64 as const),
			(opcode, payload, fin, mask, lengthBits) => {
				const bytes = frame(opcode, Buffer.from(payload), { fin, mask, ...(lengthBits ? { lengthBits } : {}) });
				expect(parseFrame(bytes.subarray(0, -1))).toBeUndefined();
				const read = parseFrame(Buffer.concat([bytes, Buffer.from("more")]));
				expect(read).toMatchObject({ fin, opcode, masked: mask, size: bytes.length });
				expect(read?.payload.equals(payload)).toBe(true);
			},
		),
		{ numRuns: 50 },
	);
	expect(frame(OPCODE.close, closePayload(1000, "ok")).toString("hex")).toBe("880403e86f6b");
});

test("raw peers shake hands, exchange frames and see a FIN as a FIN", async () => {
	const backend = await startRawBackend(echoingFrames({ subprotocol: "chat" }));
	const client = await openRaw(backend.port, "/path?x=1", { subprotocols: ["chat"], headers: { "X-One": ["a", "b"] } });
	expect(client.head.header("sec-websocket-protocol")).toBe("chat");
	const peer = await backend.connection();
	expect(peer.request?.target).toBe("/path?x=1");
	expect(peer.request?.all("x-one")).toEqual(["a", "b"]);
	client.sendFrame(OPCODE.text, "hello");
	expect(await client.readFrame()).toMatchObject({ opcode: OPCODE.text, text: "hello", masked: false });
	expect(parseFrame(peer.after)).toMatchObject({ masked: true, text: "hello" });
	client.sendClose(4001, "bye");
	expect(await client.readFrame()).toMatchObject({ closeCode: 4001, text: "bye" });
	expect(await client.ended()).toBe("fin");
	client.end();
	await until(() => backend.openCount() === 0, { what: "the backend's connection to close" });
});

test("raw peers do the same over TLS, and a reset over TLS is a reset", async () => {
	const ca = await certificate(["test ca"], { isCa: true });
	const backend = await startRawBackend(echoingBytes(), { tls: await certificate(["localhost", "127.0.0.1"], { ca }) });
	const client = await openRaw(backend.port, "/", {
		tls: { ca: ca.cert, rejectUnauthorized: true, servername: "localhost" },
	});
	client.sendFrame(OPCODE.binary, Buffer.alloc(100_000, 7));
	expect((await client.readFrame()).payload.equals(Buffer.alloc(100_000, 7))).toBe(true);
	(await backend.connection()).reset();
	expect(await client.ended()).toBe("reset");
});

test("the scripts misbehave as they say", async () => {
	const reset = await startRawBackend(resetOnAccept);
	// The reset may come before connect() returns.
	const met = await connectRaw({ port: reset.port }).then(
		(peer) => peer.ended(),
		(error) => error.code,
	);
	expect(["reset", "ECONNRESET"]).toContain(met);

	const late = await startRawBackend(resetAfterHead);
	await expect((await connectRaw({ port: late.port })).handshake()).rejects.toThrow("reset");

	const wrong = await startRawBackend(wrongAccept);
	await expect(openRaw(wrong.port)).rejects.toThrow("wrong Accept");

	const refused = await startRawBackend(refusing(503, { body: "not now", headers: { "Retry-After": "3" } }));
	const client = await connectRaw({ port: refused.port });
	const head = await client.handshake();
	expect([head.status, head.header("retry-after"), await client.readBody(head)]).toEqual([503, "3", "not now"]);

	const slow = await startRawBackend(acceptingSlowly());
	expect((await openRaw(slow.port)).head.status).toBe(101);

	const early = await startRawBackend(accepting({ early: frame(OPCODE.text, "first") }));
	expect((await (await openRaw(early.port)).readFrame()).text).toBe("first");

	await expect(connectRaw({ port: await closedPort() })).rejects.toThrow("ECONNREFUSED");
});

test("YAML inside indented code loses the common tabs, deeper ones become spaces", () => {
	expect(dedent("\n\t\ta:\n\t\t\tb: 1\n\t\tc: 2\n\t")).toBe("a:\n  b: 1\nc: 2\n");
});

test("log lines that do not come in pairs are noticed", () => {
	const lines = new LogLines();
	lines.write('{"event":"ws.open","connection_id":"1"}\n{"event":"ws.cl');
	expect(() => lines.assertPaired()).toThrow("connection 1 has 1 ws.open, 0 ws.close");
	lines.write('ose","connection_id":"1"}\nnot json\n');
	lines.assertPaired();
	expect(lines.other).toEqual(["not json"]);
	lines.writeLine('{"event":"ws.reject","connection_id":"1"}');
	expect(() => lines.assertPaired()).toThrow("1 ws.reject");
});

test.runIf(process.platform === "linux")("open file descriptors are counted", async () => {
	const before = openFds();
	const backend = await startRawBackend(echoingBytes());
	const client = await openRaw(backend.port);
	expect(openFds()).toBe(before + 3);
	client.socket.destroy();
	await backend.close();
	await until(() => openFds() === before, { what: "the descriptors to close" });
});
