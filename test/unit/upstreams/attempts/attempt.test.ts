import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import type { DepartureSignal } from "../../../../src/departure.ts";
import { GatewayError } from "../../../../src/errors.ts";
import { attemptHandshake, discard } from "../../../../src/upstreams/attempts/attempt.ts";
import { failingReason } from "../../../../src/upstreams/attempts/failing.ts";
import { Lease, type TunnelEnd } from "../../../../src/upstreams/attempts/lease.ts";
import {
	answerVerdict,
	errorVerdict,
	handshakeVerdict,
	NEUTRAL,
	SUCCESS,
	type Verdict,
} from "../../../../src/upstreams/attempts/verdict.ts";
import { breakerOptions } from "../../../../src/upstreams/breaker.ts";
import type { DialResult } from "../../../../src/upstreams/dial.ts";
import type { Endpoint } from "../../../../src/upstreams/endpoint.ts";
import { outlierOptions } from "../../../../src/upstreams/outlier.ts";
import { UpstreamStates } from "../../../../src/upstreams/states.ts";
import { OPCODE } from "../../../harness/frames.ts";
import { until } from "../../../harness/poll.ts";
import { startRawBackend } from "../../../harness/raw-backend.ts";
import { upstream } from "../upstream.fixtures.ts";

const REFUSED = { kind: "refused", status: 503, statusText: "", rawHeaders: [], body: Buffer.alloc(0), connectMs: 0 };
const CONNECT_FAILED = new GatewayError("CONNECT_FAILED", "no", { retry: "connect_failure" });

function pool(breaker: unknown = { minimum_handshakes: 1, reset_timeout: "20ms" }) {
	const clock = { now: 1_000 };
	const states = new UpstreamStates(() => clock.now);
	const made = upstream({
		endpoints: ["ws://a:1", "ws://b:1"],
		states,
		config: { circuit_breaker: breakerOptions.parse(breaker), outlier_detection: outlierOptions.parse({}) },
	});
	onTestFinished(() => states.close());
	return { clock, protection: made.protection, endpoint: made.endpoints[0] as Endpoint, states };
}

function refused(status: number): DialResult {
	return { ...REFUSED, status } as DialResult;
}

/** An accepted handshake over a real connection; `peer` is the backend's end of it. */
async function accepted(): Promise<{ result: DialResult; peer: Socket }> {
	const server = createServer({ allowHalfOpen: true });
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const connection = once(server, "connection");
	const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
	await once(socket, "connect");
	const [peer] = (await connection) as [Socket];
	server.close();
	onTestFinished(() => {
		socket.destroy();
		peer.destroy();
	});
	socket.pause();
	const result: DialResult = {
		kind: "accepted",
		socket,
		early: Buffer.alloc(0),
		rawHeaders: [],
		subprotocol: undefined,
		connectMs: 1,
	};
	return { result, peer };
}

describe("the place at an endpoint", () => {
	it("is given back when the handshake fails or is refused, and kept when it is accepted", async () => {
		const { protection, endpoint } = pool();
		const { state } = endpoint;
		const signal = new AbortController().signal;
		const dialling = attemptHandshake(protection, endpoint, signal, () => Promise.reject(CONNECT_FAILED));
		expect(state.pending).toBe(1);
		await expect(dialling).rejects.toBe(CONNECT_FAILED);
		expect(state.pending).toBe(0);
		await attemptHandshake(protection, endpoint, signal, async () => refused(404));
		expect(state.pending).toBe(0);
		const { result } = await accepted();
		const { lease } = await attemptHandshake(protection, endpoint, signal, async () => result);
		expect([state.pending, state.active]).toEqual([1, 0]);
		lease.opened();
		expect([state.pending, state.active]).toEqual([0, 1]);
		lease.release();
		lease.ended("closed");
		lease.ended("closed");
		expect([state.pending, state.active]).toEqual([0, 0]);
	});

	it("is not taken by a client that has left already", async () => {
		const { protection, endpoint } = pool();
		let dialled = false;
		const attempt = attemptHandshake(protection, endpoint, AbortSignal.abort(), async () => {
			dialled = true;
			return refused(500);
		});
		await expect(attempt).rejects.toMatchObject({ code: "CLIENT_GONE" });
		expect([dialled, endpoint.state.pending]).toEqual([false, 0]);
	});

	it("is counted once whatever happens in which order", () => {
		const step = fc.constantFrom("begin", "open", "release", "close", "drop", "other");
		fc.assert(
			fc.property(fc.array(fc.tuple(step, fc.nat(9)), { maxLength: 100 }), (steps) => {
				const { protection, endpoint, states } = pool({});
				const { state } = endpoint;
				const leases: Lease[] = [];
				const ends: Record<string, TunnelEnd> = { close: "closed", drop: "dropped", other: "other" };
				for (const [what, index] of steps) {
					if (what === "begin") leases.push(new Lease(protection, endpoint));
					const lease = leases[index];
					if (what === "open") lease?.opened();
					if (what === "release") lease?.release();
					if (what in ends) lease?.ended(ends[what] as TunnelEnd);
					expect(state.pending).toBeGreaterThanOrEqual(0);
					expect(state.active).toBeGreaterThanOrEqual(0);
					expect(state.active + state.pending).toBeLessThanOrEqual(leases.length);
				}
				for (const lease of leases) {
					lease.release();
					lease.ended("closed");
				}
				expect([state.pending, state.active]).toEqual([0, 0]);
				states.close();
			}),
		);
	});
});

describe("a tunnel that ends in its first second", () => {
	const end = (how: TunnelEnd, age: number) => {
		const { clock, protection, endpoint } = pool({});
		for (let i = 0; i < 2; i++) endpoint.state.outlier.earlyEnds.add(undefined);
		const lease = new Lease(protection, endpoint);
		lease.opened();
		clock.now += age;
		lease.ended(how);
		return endpoint.state.outlier.earlyEnds.count;
	};

	it("counts when the backend dropped it", () => {
		expect(end("dropped", 999)).toBe(3);
	});

	it("ends the row when it was closed properly, and says nothing when the client or the gateway dropped it", () => {
		expect(end("closed", 10)).toBe(0);
		expect(end("other", 10)).toBe(2);
	});

	it("is not the same as one that was dropped later: that ends the row", () => {
		expect(end("dropped", 1_000)).toBe(0);
	});
});

describe("the verdict on an endpoint", () => {
	it.each([
		["CONNECT_FAILED", "failure"],
		["CONNECT_TIMEOUT", "failure"],
		["HANDSHAKE_TIMEOUT", "failure"],
		["BAD_BACKEND_HANDSHAKE", "failure"],
		["CLIENT_GONE", "neutral"],
		["BAD_TARGET", "neutral"],
		["INTERNAL", "neutral"],
	] as const)("%s is a %s", (code, kind) => {
		expect(errorVerdict(new GatewayError(code)).kind).toBe(kind);
	});

	it("does not blame it for what the gateway has run out of", () => {
		const cause = Object.assign(new Error("connect EMFILE"), { code: "EMFILE" });
		expect(errorVerdict(new GatewayError("CONNECT_FAILED", "x", { cause })).kind).toBe("neutral");
	});

	it.each([
		[500, "failure"],
		[503, "failure"],
		[599, "failure"],
		[499, "neutral"],
		[401, "neutral"],
		[302, "neutral"],
		[200, "neutral"],
	])("a refusal with %i is a %s", (status, kind) => {
		expect(handshakeVerdict(refused(status)).kind).toBe(kind);
	});
});

/** An endpoint whose breaker is half-open. */
async function halfOpen() {
	const made = pool();
	const failing = attemptHandshake(made.protection, made.endpoint, new AbortController().signal, async () =>
		refused(500),
	);
	await failing;
	await until(() => made.endpoint.state.breaker?.state === "half_open", { what: "the breaker to be half-open" });
	return made;
}

describe("a trial whose client leaves", () => {
	it("goes on without it; what it opened is closed politely and the breaker closes", async () => {
		const { protection, endpoint } = await halfOpen();
		const { state } = endpoint;
		const client = new AbortController();
		let settle: (result: DialResult) => void = () => undefined;
		let dialled: DepartureSignal | undefined;
		const attempt = attemptHandshake(protection, endpoint, client.signal, (signal) => {
			dialled = signal;
			return new Promise((resolve) => {
				settle = resolve;
			});
		});
		client.abort();
		await expect(attempt).rejects.toMatchObject({ code: "CLIENT_GONE" });
		expect(dialled?.aborted).toBe(false);
		expect([state.breaker?.state, state.breaker?.onTrial, state.pending]).toEqual(["half_open", true, 1]);

		const backend = await startRawBackend(() => undefined);
		const socket = connect({ port: backend.port, host: "127.0.0.1", allowHalfOpen: true });
		await once(socket, "connect");
		const { result } = await accepted();
		settle({ ...result, socket } as DialResult);
		await until(() => state.breaker?.state === "closed", { what: "the breaker to close" });
		expect(state.pending).toBe(0);
		const peer = await backend.connection();
		const frame = await peer.readFrame();
		expect([frame.opcode, frame.closeCode, frame.masked]).toEqual([OPCODE.close, 1001, true]);
		await until(() => peer.ending === "fin", { what: "the FIN" });
		peer.end();
		await until(() => socket.destroyed, { what: "the socket to be closed" });
	});

	it("opens the breaker when it fails", async () => {
		const { protection, endpoint } = await halfOpen();
		const client = new AbortController();
		let fail: (error: Error) => void = () => undefined;
		const dialling = new Promise<DialResult>((_, reject) => {
			fail = reject;
		});
		const attempt = attemptHandshake(protection, endpoint, client.signal, () => dialling);
		client.abort();
		await expect(attempt).rejects.toMatchObject({ code: "CLIENT_GONE" });
		fail(CONNECT_FAILED);
		await until(() => endpoint.state.breaker?.state === "open", { what: "the breaker to open" });
		expect(endpoint.state.pending).toBe(0);
	});

	it("is given up when the endpoint goes", async () => {
		const { protection, endpoint, states } = await halfOpen();
		const client = new AbortController();
		const attempt = attemptHandshake(protection, endpoint, client.signal, (signal) => {
			return new Promise((_, reject) => {
				signal.addEventListener("abort", () => reject(new GatewayError("CLIENT_GONE")));
			});
		});
		client.abort();
		await expect(attempt).rejects.toThrow();
		states.close();
		await until(() => endpoint.state.pending === 0, { what: "the place to be given back" });
	});
});

it("a trial whose client stays is like any other attempt", async () => {
	const { protection, endpoint } = await halfOpen();
	const { result } = await accepted();
	const attempted = await attemptHandshake(protection, endpoint, new AbortController().signal, async () => result);
	expect(attempted.result).toBe(result);
	await until(() => endpoint.state.breaker?.state === "closed", { what: "the breaker to close" });
	discard(attempted);
	expect(endpoint.state.pending).toBe(0);
});

it("when the client of another attempt leaves, that attempt ends", async () => {
	const { protection, endpoint } = pool();
	const client = new AbortController();
	const attempt = attemptHandshake(protection, endpoint, client.signal, (signal) => {
		return new Promise((_, reject) => {
			signal.addEventListener("abort", () => reject(new GatewayError("CLIENT_GONE")));
		});
	});
	client.abort();
	await expect(attempt).rejects.toMatchObject({ code: "CLIENT_GONE" });
	expect([endpoint.state.pending, endpoint.state.outlier.failures.count]).toEqual([0, 0]);
});

describe("an endpoint is failing", () => {
	const reasonAfter = (...verdicts: Verdict[]) => {
		const { protection, endpoint } = pool({});
		for (const verdict of verdicts) protection.begin(endpoint, "192.0.2.1").settle(verdict);
		return failingReason(endpoint.state);
	};
	const ERROR = answerVerdict(500);
	const UNREACHABLE: Verdict = { kind: "failure", reason: "connect_failure" };

	it("when it could not be reached the last time, or its last three attempts failed", () => {
		expect(reasonAfter()).toBeUndefined();
		expect(reasonAfter(SUCCESS, UNREACHABLE)).toBe("connect_failure");
		expect(reasonAfter(ERROR, ERROR)).toBeUndefined();
		expect(reasonAfter(ERROR, ERROR, ERROR)).toBe("500");
	});

	it("until an attempt is answered; a client that leaves says nothing", () => {
		expect(reasonAfter(UNREACHABLE, SUCCESS)).toBeUndefined();
		expect(reasonAfter(UNREACHABLE, answerVerdict(404))).toBeUndefined();
		expect(reasonAfter(UNREACHABLE, NEUTRAL)).toBe("connect_failure");
	});
});
