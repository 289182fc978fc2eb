/** Bytes of a client behind its request head, before there is a 101: they wait, in order and in bounds. */
import { expect, test } from "vitest";
import { frame, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { type BackendPeer, readRequest, refusing, switchingProtocols } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectHandled, handshakeHead, startTarget } from "./bad-input.ts";

/** A backend that answers when it is told to. */
function onDemand() {
	let answer: () => void = () => undefined;
	const asked = new Promise<void>((resolve) => {
		answer = resolve;
	});
	return {
		answer: () => answer(),
		script: async (peer: BackendPeer) => {
			const request = await readRequest(peer);
			await asked;
			peer.write(switchingProtocols(request));
			peer.socket.on("end", () => peer.end());
		},
	};
}

test.each([
	["in the same packet", 0],
	["in a packet of its own", 20],
])("a frame %s as the head reaches the backend after its 101, not before", async (_, pause) => {
	const { answer, script } = onDemand();
	const { gateway, backend } = await startTarget({ script, handshake: "10s" });
	const client = await connectRaw({ port: gateway.port });
	const early = frame(OPCODE.text, "too early", { mask: true });
	if (pause === 0) client.write(Buffer.concat([handshakeHead({}), early]));
	else {
		client.write(handshakeHead({}));
		await new Promise((resolve) => setTimeout(resolve, pause));
		client.write(early);
	}
	const peer = await backend.connection();
	await until(() => peer.request, { what: "the request at the backend" });
	await new Promise((resolve) => setTimeout(resolve, 100));
	expect(peer.after.length).toBe(0);
	answer();
	expect((await client.readHead()).status).toBe(101);
	client.sendFrame(OPCODE.text, "in time");
	expect([(await peer.readFrame()).text, (await peer.readFrame()).text]).toEqual(["too early", "in time"]);
	client.reset();
	await gateway.expectQuiet();
});

test("a request smuggled behind an upgrade that the backend refuses never reaches it", async () => {
	const { gateway, backend } = await startTarget({ script: refusing(403, { body: "no" }) });
	const client = await connectRaw({ port: gateway.port });
	client.write(handshakeHead({ body: "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" }));
	expect((await client.readHead()).status).toBe(403);
	expect(await client.ended()).toBe("fin");
	const peer = await backend.connection();
	await peer.ended();
	expect(peer.after.length).toBe(0);
	expect(backend.connections).toHaveLength(1);
	client.end();
	await gateway.expectQuiet();
});

test("a request smuggled behind an upgrade that the gateway refuses is not answered", async () => {
	const target = await startTarget();
	const bytes = handshakeHead({
		change: { "Sec-WebSocket-Version": "8" },
		body: "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
	});
	await expectHandled(target, bytes, { status: 426, code: "BAD_VERSION" });
	await target.gateway.expectQuiet();
});

test.each(["plain", "TLS"])(
	"a client that pushes 50 MiB before the 101 is held back, and loses nothing (%s)",
	async (kind) => {
		const { answer, script } = onDemand();
		const { gateway, backend } = await startTarget({
			script,
			tls: kind === "TLS",
		});
		const client = await connectRaw({ port: gateway.port, tls: kind === "TLS" });
		client.write(handshakeHead({}));
		const peer = await backend.connection();
		await until(() => peer.request, { what: "the request at the backend" });

		const size = 50 * 1024 * 1024;
		const chunk = Buffer.alloc(256 * 1024, 0x61);
		const before = process.memoryUsage();
		let sent = 0;
		const pump = (): void => {
			while (sent < size) {
				sent += chunk.length;
				if (!client.socket.write(chunk)) {
					client.socket.once("drain", pump);
					return;
				}
			}
		};
		pump();
		let seen = -1;
		await until(
			async () => {
				const same = seen === sent;
				seen = sent;
				await new Promise((resolve) => setTimeout(resolve, 50));
				return same;
			},
			{ what: "the client to be held back" },
		);
		// What the kernel's buffers took is not the gateway's.
		expect(sent).toBeLessThan(size);
		const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
		expect(grown).toBeLessThan(8 * 1024 * 1024);
		expect(peer.after.length).toBe(0);

		answer();
		expect((await client.readHead()).status).toBe(101);
		await until(() => peer.after.length === size, { timeout: 15_000, what: "all the bytes" });
		expect(peer.after.every((byte) => byte === 0x61)).toBe(true);
		client.reset();
		await gateway.expectQuiet();
	},
	30_000,
);

test("a client that pushes before the 101 of a silent backend is answered 504 in time", async () => {
	const target = await startTarget({ script: async (peer) => void (await readRequest(peer)), handshake: "500ms" });
	const client = await connectRaw({ port: target.gateway.port });
	client.write(handshakeHead({ body: "x".repeat(100_000) }));
	const head = await client.readHead();
	expect(head.status).toBe(504);
	expect(await client.ended()).toBe("fin");
	expect(await target.gateway.waitForLog("ws.reject")).toMatchObject({ code: "HANDSHAKE_TIMEOUT" });
	client.end();
	await target.gateway.expectQuiet();
});
