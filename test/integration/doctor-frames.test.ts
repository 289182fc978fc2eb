/** `clawgate doctor` against servers that accept a handshake and then do not behave. */
import { describe, expect, test } from "vitest";
import { frame, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { accepting, type BackendPeer, type Script, startRawBackend } from "../harness/raw-backend.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { diagnose, expectHealthy, expectProblem, startNginx } from "./doctor.fixtures.ts";

async function expectCause(script: Script, cause: string, args: readonly string[] = []) {
	const backend = await startRawBackend(script);
	const diagnosis = await expectProblem(backend.url, cause, args);
	await until(() => backend.openCount() === 0, { what: "the doctor to leave nothing open" });
	return diagnosis;
}

/** Waits for a Ping and answers it. */
async function answerPing(peer: BackendPeer): Promise<void> {
	const ping = await peer.readFrameOf(OPCODE.ping, 60_000);
	peer.sendFrame(OPCODE.pong, ping.payload);
}

/** Answers one Ping, then does what `then` says with the Close frame. */
function closing(then: (peer: BackendPeer) => void): Script {
	return accepting({}, async (peer) => {
		peer.sendFrame(OPCODE.pong, (await peer.readFrameOf(OPCODE.ping)).payload);
		await peer.readFrameOf(OPCODE.close);
		then(peer);
	});
}

describe("right after the 101", () => {
	const codes: [number, string, string][] = [
		[1008, "token missing", "closed-policy"],
		[4401, "", "closed-policy"],
		[1002, "", "closed-protocol"],
		[1011, "", "closed-server-error"],
		[1013, "", "closed-busy"],
		[1000, "", "closed-at-once"],
		[4123, "go away", "closed-at-once"],
	];
	test.each(codes)("a server that closes with %i %s", async (code, reason, cause) => {
		const script = accepting({}, (peer) => {
			peer.sendClose(code, reason);
			peer.socket.on("end", () => peer.end());
		});
		const { step } = await expectCause(script, cause);
		expect(step("ping").seen).toContain(`Close ${code}`);
		expect(step("ping").seen).toContain(reason);
	});

	test("a server that answers the Ping first and closes then", async () => {
		const { url } = await startWsBackend({
			onConnection: (socket) => socket.on("ping", () => setTimeout(() => socket.close(1008, "no token"), 50)),
		});
		const { step } = await expectProblem(url, "closed-policy");
		expect(step("ping").seen).toMatch(/^Pong after .* then the server sent Close 1008 "no token"/);
	});

	test("the doctor echoes the server's Close frame", async () => {
		const backend = await startRawBackend(accepting({}, (peer) => peer.sendClose(1008)));
		await expectProblem(backend.url, "closed-policy");
		expect((await (await backend.connection()).readFrameOf(OPCODE.close)).closeCode).toBe(1008);
	});

	test("a server that drops the connection, or resets it, without a Close frame", async () => {
		await expectCause(
			accepting({}, (peer) => peer.end()),
			"dropped-at-once",
		);
		const { step } = await expectCause(
			accepting({}, async (peer) => {
				await peer.readFrameOf(OPCODE.ping);
				peer.reset();
			}),
			"dropped-at-once",
		);
		expect(step("ping").seen).toContain("1006");
	});

	test("a server that does not answer Pings", async () => {
		const { step } = await expectCause(accepting(), "no-pong", ["--timeout", "300ms"]);
		expect(step("ping").seen).toBe("no Pong within 300 ms");
	});

	test("a Pong with another payload is a warning", async () => {
		const { url } = await startRawBackend(
			accepting({}, async (peer) => {
				await peer.readFrameOf(OPCODE.ping);
				peer.sendFrame(OPCODE.pong, "other");
				await peer.readFrameOf(OPCODE.close);
				peer.sendClose(1000);
				peer.end();
			}),
		);
		// The doctor goes on waiting for the right one.
		const { warnings, code } = await diagnose(url, ["--timeout", "300ms"]);
		expect({ warnings, code }).toEqual({ warnings: ["pong-payload"], code: 0 });
	});

	test("a server that masks its frames", async () => {
		await expectCause(
			accepting({}, (peer) => peer.sendFrame(OPCODE.text, "hello", { mask: true })),
			"masked-frames",
		);
		const echo = accepting({}, (peer) => {
			peer.socket.on("data", (chunk: Buffer) => peer.write(chunk));
		});
		await expectCause(echo, "masked-frames");
	});

	const garbage: [string, Buffer][] = [
		["an HTTP answer", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
		["an unknown opcode", frame(0xb)],
		["reserved bits", frame(OPCODE.ping, "", { rsv: 2 })],
		["a Ping in fragments", frame(OPCODE.ping, "", { fin: false })],
		["a Ping of 126 bytes", frame(OPCODE.ping, Buffer.alloc(126))],
		["a continuation of nothing", frame(OPCODE.continuation, "x")],
		[
			"a message inside of a message",
			Buffer.concat([frame(OPCODE.text, "x", { fin: false }), frame(OPCODE.text, "y")]),
		],
		["an impossible length", Buffer.from("827fffffffffffffffff", "hex")],
	];
	test.each(garbage)("%s", async (_, early) => {
		await expectCause(accepting({ early }), "garbage");
	});

	test("messages that are compressed though nobody agreed on it", async () => {
		await expectCause(accepting({ early: frame(OPCODE.text, "x", { rsv: 4 }) }), "compressed-unasked");
	});

	test("messages of the server, in pieces and of any size, are not in the way", async () => {
		const messages = Buffer.concat([
			frame(OPCODE.text, "hello"),
			frame(OPCODE.binary, Buffer.alloc(70_000)),
			frame(OPCODE.text, "a", { fin: false }),
			frame(OPCODE.ping, "p"),
			frame(OPCODE.continuation, "b"),
		]);
		const { url, connection } = await startRawBackend(
			accepting({}, async (peer) => {
				await peer.writeSlowly(messages.subarray(0, 10));
				peer.write(messages.subarray(10));
				const ping = await peer.readFrameOf(OPCODE.ping);
				peer.sendFrame(OPCODE.pong, ping.payload);
				await peer.readFrameOf(OPCODE.close);
				peer.sendClose(1000);
				peer.end();
			}),
		);
		const { step } = await expectHealthy(url);
		expect(step("ping").seen).toContain("3 messages from the server");
		expect((await connection()).all.includes(OPCODE.pong | 0x80)).toBe(true);
	});
});

describe("closing", () => {
	test("a server that does not echo the Close frame, and one that ends TCP instead", async () => {
		await expectCause(
			closing(() => {}),
			"no-close-echo",
			["--timeout", "300ms"],
		);
		await expectCause(
			closing((peer) => peer.end()),
			"close-without-echo",
		);
		await expectCause(
			closing((peer) => peer.reset()),
			"close-without-echo",
		);
		await expectCause(
			closing((peer) => peer.write("HTTP/1.1 400 Bad Request\r\n\r\n")),
			"close-garbage",
		);
	});

	test("a code that must not be sent, and TCP that is left open, are warnings", async () => {
		const invalid = closing((peer) => {
			peer.sendClose(1006);
			peer.end();
		});
		const open = closing((peer) => peer.sendClose(1000));
		expect(await diagnose((await startRawBackend(invalid)).url)).toMatchObject({
			code: 0,
			warnings: ["close-code-invalid"],
		});
		const args = ["--timeout", "300ms"];
		expect(await diagnose((await startRawBackend(open)).url, args)).toMatchObject({
			code: 0,
			warnings: ["tcp-left-open"],
		});
	});
});

describe("--hold", () => {
	test("a real nginx that cuts idle connections, and Pings that keep it open", { timeout: 30_000 }, async () => {
		const { port } = await startWsBackend();
		const nginx = await startNginx(`location / {
			proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1; proxy_read_timeout 2s;
			proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
		}`);
		const url = `ws://127.0.0.1:${nginx}/`;
		const { step } = await expectProblem(url, "idle-cut", ["--hold", "5s"]);
		// As long as nginx waits, counted from when the doctor got round to looking.
		expect(step("hold").seen).toMatch(/without a Close frame \(1006\) after [1-4]\.\d s/);
		expect(step("hold").advice[0]).toContain("proxy_read_timeout");
		expect(step("hold").advice.join()).toContain("--ping-every 1s");
		expect(step("hold").ms).toBeGreaterThan(1_000);
		const kept = await expectHealthy(url, ["--hold", "4s", "--ping-every", "500ms"]);
		expect(kept.step("hold").seen).toMatch(/^open for 4\.\d s with [2-8] Pings/);
	});

	test("a server that closes idle connections with a Close frame", async () => {
		const script = accepting({}, async (peer) => {
			peer.sendFrame(OPCODE.pong, (await peer.readFrameOf(OPCODE.ping)).payload);
			setTimeout(() => peer.sendClose(1001, "idle for too long"), 300);
		});
		const { step } = await expectCause(script, "idle-closed", ["--hold", "5s"]);
		expect(step("hold").seen).toContain("idle for too long");
	});

	test("a connection that is forgotten while it is idle", async () => {
		const script = accepting({}, async (peer) => {
			peer.sendFrame(OPCODE.pong, (await peer.readFrameOf(OPCODE.ping)).payload);
		});
		await expectCause(script, "idle-forgotten", ["--hold", "200ms", "--timeout", "1s"]);
		await expectCause(script, "pings-unanswered", ["--hold", "5s", "--ping-every", "100ms", "--timeout", "1s"]);
	});

	test("a connection that ends although Pings keep it busy", async () => {
		const script = accepting({}, async (peer) => {
			// The first one is before the time in which it is held.
			for (let answered = 0; answered < 4; answered++) await answerPing(peer);
			peer.end();
		});
		const { step } = await expectCause(script, "ended-while-held", ["--hold", "5s", "--ping-every", "100ms"]);
		expect(step("hold").seen).toMatch(/with [1-9] Pings?, one every 100 ms/);
	});

	test("the server's own Pings are answered and told", async () => {
		const { url } = await startWsBackend({
			onConnection: (socket) => {
				const timer = setInterval(() => socket.ping(), 100);
				socket.on("close", () => clearInterval(timer));
			},
		});
		const { step } = await expectHealthy(url, ["--hold", "1s"]);
		expect(step("hold").seen).toMatch(/, [1-9]\d* Pings? from the server, and still answers$/);
	});
});
