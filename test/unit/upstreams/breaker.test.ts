import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Judgement } from "../../../src/upstreams/attempts/protection.ts";
import { NEUTRAL, SUCCESS, type Verdict } from "../../../src/upstreams/attempts/verdict.ts";
import { breakerOptions } from "../../../src/upstreams/breaker.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import { request, upstream } from "./upstream.fixtures.ts";

const FAILURE: Verdict = { kind: "failure", reason: "handshake_timeout" };

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

/** An upstream of one endpoint with a breaker that was told of nothing yet. */
function guarded(options: unknown = {}) {
	const notices: { event: string; fields: Record<string, unknown> }[] = [];
	const states = new UpstreamStates(
		() => performance.now() + 1,
		(_level, event, fields) => notices.push({ event, fields }),
	);
	const compile = (written: unknown) =>
		upstream({ endpoints: ["ws://a:1"], states, config: { circuit_breaker: breakerOptions.parse(written) } });
	const pool = compile(options);
	const endpoint = pool.endpoints[0] as (typeof pool.endpoints)[number];
	const begin = (): Judgement => pool.protection.begin(endpoint);
	/** Ends one attempt after the other. */
	const tell = async (...verdicts: Verdict[]): Promise<void> => {
		for (const verdict of verdicts) begin().settle(verdict);
		await vi.advanceTimersByTimeAsync(0);
	};
	return {
		pool,
		states,
		endpoint,
		notices,
		compile,
		begin,
		tell,
		state: () => endpoint.state.breaker?.state,
		reason: () => pool.ineligible(endpoint),
		events: () => notices.map(({ event }) => event),
	};
}

const times = (count: number, verdict: Verdict): Verdict[] => Array<Verdict>(count).fill(verdict);

describe("a closed breaker", () => {
	it("opens when the part of failures reaches the threshold, and says why", async () => {
		const { tell, state, reason, notices } = guarded();
		await tell(...times(6, SUCCESS), ...times(5, FAILURE));
		expect(state()).toBe("closed");
		await tell(FAILURE);
		expect(state()).toBe("open");
		expect(reason()).toBe("breaker open");
		expect(notices).toEqual([
			{
				event: "breaker.open",
				fields: {
					upstream: "chat",
					endpoint: "a:1",
					reason: "50% of 12 handshakes failed, the last one: handshake_timeout",
					failure_rate: 50,
					handshakes: 12,
					reset_ms: 10_000,
				},
			},
		]);
	});

	it("does not open before enough handshakes ended", async () => {
		const { tell, state } = guarded({ minimum_handshakes: 10 });
		await tell(...times(9, FAILURE));
		expect(state()).toBe("closed");
		await tell(FAILURE);
		expect(state()).toBe("open");
	});

	it("opens with error_threshold: 100% when all fail", async () => {
		const { tell, state } = guarded({ error_threshold: "100%" });
		await tell(SUCCESS, ...times(20, FAILURE));
		expect(state()).toBe("closed");
		await vi.advanceTimersByTimeAsync(11_000);
		await tell(...times(10, FAILURE));
		expect(state()).toBe("open");
	});

	it("forgets what is older than the window", async () => {
		const { tell, state } = guarded({ window: "10s" });
		await tell(...times(9, FAILURE));
		await vi.advanceTimersByTimeAsync(10_001);
		await tell(...times(9, FAILURE));
		expect(state()).toBe("closed");
	});

	it("does not count a client that left, neither as a handshake nor as a failure nor as a success", async () => {
		const { tell, state } = guarded();
		await tell(...times(100, NEUTRAL), ...times(9, FAILURE), ...times(100, NEUTRAL));
		expect(state()).toBe("closed");
		await tell(FAILURE);
		expect(state()).toBe("open");
	});
});

/** Opens the breaker and waits until it is half-open. */
async function halfOpened(options: unknown = {}) {
	const breaker = guarded(options);
	const straggler = breaker.begin();
	await breaker.tell(...times(10, FAILURE));
	expect(breaker.state()).toBe("open");
	await vi.advanceTimersByTimeAsync(10_000);
	expect(breaker.state()).toBe("half_open");
	return { ...breaker, straggler };
}

describe("a half-open breaker", () => {
	it("is what an open one becomes after reset_timeout", async () => {
		const { reason, events } = await halfOpened();
		expect(reason()).toBe(undefined);
		expect(events()).toEqual(["breaker.open", "breaker.half_open"]);
	});

	it("lets one trial through at a time", async () => {
		const { begin, reason } = await halfOpened();
		expect(begin().trial).toBeDefined();
		expect(reason()).toBe("breaker half-open, its trial is under way");
		expect(begin().trial).toBe(undefined);
	});

	it("closes when the trial succeeds, starts slowly, and holds nothing old against the endpoint", async () => {
		const { begin, tell, state, reason, events, endpoint } = await halfOpened();
		begin().settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(0);
		expect([state(), reason()]).toEqual(["closed", undefined]);
		expect(events().at(-1)).toBe("breaker.closed");
		expect(endpoint.state.availableSince).toBe(performance.now() + 1);
		await tell(...times(9, FAILURE));
		expect(state()).toBe("closed");
		await tell(FAILURE);
		expect(state()).toBe("open");
	});

	it("opens again when the trial fails", async () => {
		const { begin, state, notices, endpoint } = await halfOpened();
		begin().settle(FAILURE);
		expect(state()).toBe("open");
		expect(notices.at(-1)).toMatchObject({
			event: "breaker.open",
			fields: { reason: "the trial failed: handshake_timeout" },
		});
		await vi.advanceTimersByTimeAsync(9_999);
		expect(state()).toBe("open");
		await vi.advanceTimersByTimeAsync(1);
		expect([state(), endpoint.state.breaker?.onTrial]).toEqual(["half_open", false]);
	});

	it("stays half-open when the trial says nothing, and the next attempt is the trial", async () => {
		const { begin, state, reason } = await halfOpened();
		const first = begin();
		first.settle(NEUTRAL);
		await vi.advanceTimersByTimeAsync(0);
		expect([state(), reason()]).toEqual(["half_open", undefined]);
		const second = begin();
		expect(second.trial).toBeDefined();
		first.settle(SUCCESS);
		expect(reason()).toBe("breaker half-open, its trial is under way");
		second.settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("closed");
	});

	it("is not decided by an attempt that began before it opened", async () => {
		const { straggler, state } = await halfOpened();
		straggler.settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("half_open");
	});
});

describe("changed options", () => {
	it("count at once, and what was counted is kept", async () => {
		const { tell, compile, endpoint, state } = guarded({ minimum_handshakes: 100 });
		await tell(...times(20, FAILURE));
		const stricter = compile({ minimum_handshakes: 10 });
		stricter.protection.begin(endpoint).settle(FAILURE);
		expect(state()).toBe("open");
	});

	it("leave an open breaker open, with the new time, and a half-open one with its trial", async () => {
		const { tell, compile, endpoint, state, events } = guarded();
		await tell(...times(10, FAILURE));
		const slower = compile({ reset_timeout: "60s" });
		slower.protection.begin(endpoint).settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(59_999);
		expect(state()).toBe("open");
		await vi.advanceTimersByTimeAsync(1);
		expect(state()).toBe("half_open");
		const trial = slower.protection.begin(endpoint);
		expect(compile({ reset_timeout: "5s" }).protection.begin(endpoint).trial).toBe(undefined);
		expect([state(), endpoint.state.breaker?.onTrial]).toEqual(["half_open", true]);
		trial.settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("closed");
		expect(events()).toEqual(["breaker.open", "breaker.half_open", "breaker.closed"]);
	});

	it("to the limits do not disturb the breaker", async () => {
		const { tell, compile, endpoint, state } = guarded({ max_connections: 5 });
		await tell(...times(10, FAILURE));
		await vi.advanceTimersByTimeAsync(9_999);
		compile({ max_connections: 7 }).protection.begin(endpoint).settle(NEUTRAL);
		await vi.advanceTimersByTimeAsync(1);
		expect(state()).toBe("half_open");
	});
});

describe("failures that a request can bring about", () => {
	const SERVER_ERROR: Verdict = { kind: "failure", reason: "500", provoked: true };

	it("count once in the window for each client address, and not while there is only one", async () => {
		const { pool, endpoint, state } = guarded({ minimum_handshakes: 3, window: "10s" });
		const fail = async (client: string): Promise<void> => {
			pool.protection.begin(endpoint, client).settle(SERVER_ERROR);
			await vi.advanceTimersByTimeAsync(0);
		};
		for (let i = 0; i < 100; i++) await fail("192.0.2.1");
		await fail("192.0.2.2");
		for (let i = 0; i < 100; i++) await fail("192.0.2.2");
		expect(state()).toBe("closed");
		await fail("192.0.2.3");
		expect(state()).toBe("open");
	});

	it("one address alone does not open it when one handshake is enough to", async () => {
		const { pool, endpoint, state } = guarded({ minimum_handshakes: 1, window: "1s" });
		for (let i = 0; i < 50; i++) {
			pool.protection.begin(endpoint, "192.0.2.1").settle(SERVER_ERROR);
			await vi.advanceTimersByTimeAsync(100);
		}
		expect(state()).toBe("closed");
	});

	it("one client cannot keep it open by failing every trial", async () => {
		const { pool, endpoint, state } = await halfOpened();
		const begin = () => pool.protection.begin(endpoint, "192.0.2.1");
		begin().settle(SERVER_ERROR);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("open");
		await vi.advanceTimersByTimeAsync(10_000);
		begin().settle(SERVER_ERROR);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("half_open");
		pool.protection.begin(endpoint, "192.0.2.2").settle(SUCCESS);
		await vi.advanceTimersByTimeAsync(0);
		expect(state()).toBe("closed");
	});
});

it("an endpoint that is gone leaves no timer, and its trial is given up", async () => {
	const { begin, states, endpoint } = await halfOpened();
	const { trial } = begin();
	states.prune([]);
	expect(trial?.signal.aborted).toBe(true);
	expect(endpoint.state.breaker).toBe(undefined);
	expect(vi.getTimerCount()).toBe(0);
});

describe("max_connections and max_pending_handshakes", () => {
	it("pass an endpoint over that is full, for WebSockets only", () => {
		const { endpoint, pool, reason } = guarded({ max_connections: 3, max_pending_handshakes: 2 });
		const taken = (asked = request()) => pool.candidates(asked).next() !== undefined;
		endpoint.state.active = 2;
		expect([reason(), taken()]).toEqual([undefined, true]);
		endpoint.state.pending = 1;
		expect([reason(), taken()]).toEqual(["at max_connections", false]);
		expect(taken(request({ websocket: false }))).toBe(true);
		endpoint.state.active = 0;
		expect([reason(), taken()]).toEqual([undefined, true]);
		endpoint.state.pending = 2;
		expect([reason(), taken()]).toEqual(["at max_pending_handshakes", false]);
		expect(taken(request({ websocket: false }))).toBe(true);
	});

	it("are told apart from endpoints that cannot be used", async () => {
		const { endpoint, pool, tell } = guarded({ max_connections: 3 });
		endpoint.state.active = 3;
		const full = pool.unavailable();
		expect([full.code, full.status]).toEqual(["OVERLOADED", 503]);
		expect(full.retryAfter).toBeGreaterThanOrEqual(1);
		await tell(...times(10, FAILURE));
		expect(pool.unavailable().code).toBe("NO_ENDPOINT");
	});
});

it("the option circuit_breaker has the documented defaults", () => {
	expect(breakerOptions.parse({})).toEqual({
		error_threshold: 50,
		minimum_handshakes: 10,
		window: 10_000,
		reset_timeout: 10_000,
	});
});
