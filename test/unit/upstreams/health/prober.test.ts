import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Endpoint } from "../../../../src/upstreams/endpoint.ts";
import type { Probe, ProbeTarget } from "../../../../src/upstreams/health/probe.ts";
import { type HealthChange, Prober } from "../../../../src/upstreams/health/prober.ts";
import { override } from "../../../../src/upstreams/override.ts";
import { seededRandom } from "../upstream.fixtures.ts";
import { endpointOf, options } from "./health.fixtures.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	// While the timers are still the test's: Node must not be told to clear one that it does not know.
	for (const prober of probers.splice(0)) prober.stop();
	vi.useRealTimers();
});

const probers: Prober[] = [];

interface Started {
	readonly at: number;
	readonly target: ProbeTarget;
	readonly signal: AbortSignal;
}

interface Written {
	endpoint?: Endpoint;
	options?: Record<string, unknown>;
	random?: () => number;
	/** Answers; by default at once and well. */
	probe?: Probe;
}

/** A prober on the test's clock, which starts at 0, and what it did. */
function start({ endpoint = endpointOf("ws://a:1"), options: written, random = () => 0, probe }: Written = {}) {
	const origin = performance.now();
	const clock = () => performance.now() - origin;
	const started: Started[] = [];
	const changes: HealthChange[] = [];
	const prober = new Prober(options(written), endpoint, undefined, {
		clock,
		random,
		onChange: (change) => changes.push(change),
		probe: (target, signal) => {
			started.push({ at: clock(), target, signal });
			return probe?.(target, signal) ?? Promise.resolve("fine");
		},
	});
	probers.push(prober);
	return { prober, endpoint, started, changes, times: () => started.map(({ at }) => at) };
}

const never: Probe = () => new Promise(() => undefined);
const failing =
	(reason: string): Probe =>
	async () => {
		throw new Error(reason);
	};
const slow =
	(ms: number): Probe =>
	() =>
		new Promise((resolve) => setTimeout(() => resolve("slow"), ms));
const run = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("when it asks", () => {
	it("at once, again after a random part of the interval, then each interval from start to start", async () => {
		const { times } = start({
			options: { interval: "10s", timeout: "9s", jitter: 0 },
			random: () => 0.25,
			probe: slow(1_000),
		});
		await run(33_000);
		expect(times()).toEqual([0, 2_500, 12_500, 22_500, 32_500]);
	});

	it("sooner than the interval by the jitter, never later", async () => {
		const randoms = [0, 0.5, 0, 0.999, 0.25];
		const { times } = start({
			options: { interval: "10s", jitter: "20%" },
			random: () => randoms.shift() ?? 0,
		});
		await run(45_000);
		const waits = times().map((at, index, all) => at - (all[index - 1] ?? 0));
		expect(waits.slice(0, 6)).toEqual([0, 0, 9_000, 10_000, 8_002, 9_500]);
	});

	it("never two at a time, and never less often than each interval, whatever the answers take", async () => {
		for (let seed = 1; seed <= 50; seed++) {
			const random = seededRandom(seed);
			let open = 0;
			let most = 0;
			const { prober, times } = start({
				options: { interval: "100ms", timeout: "200ms", jitter: Math.floor(random() * 101) },
				random,
				probe: (_, signal) => {
					most = Math.max(most, ++open);
					return new Promise((resolve, reject) => {
						const end = (): void => {
							signal.removeEventListener("abort", end);
							clearTimeout(timer);
							open--;
							if (signal.aborted) reject(new Error("given up"));
							else resolve("answered");
						};
						const timer = setTimeout(end, random() * 200);
						signal.addEventListener("abort", end);
					});
				},
			});
			await run(1_000);
			prober.stop();
			expect([most, open]).toEqual([1, 0]);
			const waits = times()
				.slice(1)
				.map((at, index) => at - (times()[index] as number));
			// Timers are whole milliseconds.
			expect(Math.max(...waits)).toBeLessThanOrEqual(102);
			expect(times().length).toBeGreaterThanOrEqual(10);
		}
	});

	it("not an endpoint in maint, which is unknown at once and asked at once afterwards", async () => {
		const endpoint = endpointOf("ws://a:1");
		const { prober, times, changes } = start({ endpoint, options: { jitter: 0 } });
		await run(5_000);
		expect(endpoint.state.health).toBe("healthy");
		const before = times().length;
		override(endpoint.state, endpoint.written, { mode: "maint" });
		prober.update(endpoint, undefined);
		expect(endpoint.state.health).toBe("unknown");
		await run(20_000);
		expect(times()).toHaveLength(before);
		override(endpoint.state, endpoint.written, { mode: "drain" });
		prober.update(endpoint, undefined);
		await run(0);
		expect(times()).toHaveLength(before + 1);
		expect(changes.map(({ health }) => health)).toEqual(["healthy", "healthy"]);
	});

	it("not an endpoint in maint, also when nobody tells of the change", async () => {
		const endpoint = endpointOf("ws://a:1");
		const { times } = start({ endpoint, options: { interval: "5s", jitter: 0 } });
		await run(1_000);
		const before = times().length;
		override(endpoint.state, endpoint.written, { mode: "maint" });
		await run(20_000);
		expect([times().length, endpoint.state.health]).toEqual([before, "unknown"]);
		override(endpoint.state, endpoint.written, { mode: null });
		await run(5_000);
		expect([times().length, endpoint.state.health]).toEqual([before + 1, "healthy"]);
	});

	it("without a break or a further question when the snapshot changes", async () => {
		const { prober, endpoint, started, times } = start({ options: { interval: "10s", jitter: 0 } });
		await run(5_000);
		const tls = {};
		prober.update({ ...endpoint, weight: 7 }, tls);
		await run(20_000);
		expect(times()).toEqual([0, 0, 10_000, 20_000]);
		expect(started.map(({ target }) => target.tls === tls)).toEqual([false, false, true, true]);
	});

	it("no more after stop(), which gives up what is open and leaves no timer", async () => {
		const { prober, started, changes, endpoint } = start({ probe: never });
		await run(500);
		prober.stop();
		expect(started[0]?.signal.aborted).toBe(true);
		expect(vi.getTimerCount()).toBe(0);
		await run(60_000);
		expect(started).toHaveLength(1);
		expect([changes, endpoint.state.health]).toEqual([[], "unknown"]);
	});
});

describe("what it asks", () => {
	it.each([
		["ws://a:8080", "a:9000", undefined],
		["wss://[::1]:8080", "[::1]:9000", undefined],
		["ws://a:8080", "a", 80],
		["wss://a:8080", "a", 443],
		["ws+unix:/run/a", "localhost", undefined],
	])("%s on another port", (url, authority, port = 9_000) => {
		const { started } = start({ endpoint: endpointOf(url), options: { port } });
		const address = started[0]?.target.address;
		expect(address?.authority).toBe(authority);
		expect(address?.port).toBe(url.startsWith("ws+unix") ? undefined : port);
	});
});

describe("what it finds", () => {
	it("an endpoint without an answer down, within interval × unhealthy_threshold + timeout", async () => {
		let answering = true;
		const { changes, endpoint } = start({
			options: { interval: "5s", timeout: "2s", unhealthy_threshold: 3, jitter: "10%" },
			random: () => 0,
			probe: (target, signal) => (answering ? Promise.resolve("fine") : never(target, signal)),
		});
		await run(5_001);
		answering = false;
		// The worst case: it was asked, and well, a moment ago, and no wait is shortened.
		await run(16_900);
		expect(endpoint.state.health).toBe("healthy");
		await run(100);
		expect(endpoint.state.health).toBe("unhealthy");
		expect(changes.at(-1)).toEqual({ health: "unhealthy", reason: "no answer within 2s", probes: 3 });
		expect(endpoint.state.healthReason).toBe("no answer within 2s");
	});

	it("a timeout that is longer than the interval cut to it", async () => {
		const { changes } = start({ options: { interval: "300ms", timeout: "2s" }, probe: never });
		await run(400);
		expect(changes).toEqual([{ health: "unhealthy", reason: "no answer within 300ms", probes: 1 }]);
	});

	it("the reason in words, without the endpoint's name", async () => {
		const { changes } = start({ probe: failing("a:1: connection refused") });
		await run(10);
		expect(changes).toEqual([{ health: "unhealthy", reason: "connection refused", probes: 1 }]);
	});

	it("an answer that waits in the socket when the time is up", async () => {
		const { endpoint } = start({
			// As when the process was busy: the timer is late, and the answer is read in the same turn of the event loop.
			probe: (_, signal) =>
				new Promise((resolve) => {
					setTimeout(() => {
						if (!signal.aborted) resolve("late");
					}, 2_000);
				}),
		});
		await run(2_010);
		expect(endpoint.state.health).toBe("healthy");
	});

	it("nothing from an answer that comes after the time was up", async () => {
		const { changes } = start({ options: { interval: "1h", timeout: "1s" }, random: () => 0.9, probe: slow(1_500) });
		await run(60_000);
		expect(changes.map(({ health }) => health)).toEqual(["unhealthy"]);
	});

	it("the end of what a good probe left open when the time is up", async () => {
		const { started } = start({ random: () => 0.9 });
		await run(1_999);
		expect(started[0]?.signal.aborted).toBe(false);
		await run(5);
		expect(started[0]?.signal.aborted).toBe(true);
	});
});
