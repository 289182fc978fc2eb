import { afterEach, describe, expect, it, vi } from "vitest";
import type { CounterKey } from "../../../../src/policy/counters.ts";
import { delivered, startSupervisor } from "./workers.fixtures.ts";

const key = (name = "10.0.0.1"): CounterKey => ({ limit: "connections_per_ip", route: "chat", key: name });

afterEach(() => void vi.useRealTimers());

describe("places of all workers", () => {
	it("are counted together, and given on when one worker gives one back", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		const tries = [one, two, one, two, one].map(({ counters }) => counters.acquire(key(), 3));
		expect((await Promise.all(tries)).filter((taken) => taken)).toHaveLength(3);
		expect(await two.counters.acquire(key("10.0.0.2"), 3)).toBe(true);
		one.counters.release(key());
		await delivered();
		expect(await two.counters.acquire(key(), 3)).toBe(true);
		expect(await one.counters.acquire(key(), 3)).toBe(false);
	});

	it("of a worker that died come back once: also those whose grant it never read", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		for (let i = 0; i < 3; i++) await one.counters.acquire(key(), 10);
		for (let i = 0; i < 2; i++) await two.counters.acquire(key(), 10);
		one.end.blocked = true;
		nobodyReads(one.counters.acquire(key(), 10));
		nobodyReads(one.counters.acquire(key(), 10));
		await delivered();
		expect(await granted(two.counters, 10)).toBe(3);
		one.kill();
		expect(await granted(two.counters, 10)).toBe(8);
	});

	it("are not granted to a dead worker whose question is read after its end, and its last words change nothing", async () => {
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		await one.counters.acquire(key(), 2);
		one.supervisorEnd.blocked = true;
		nobodyReads(one.counters.acquire(key(), 2));
		one.counters.release(key());
		await delivered();
		one.kill();
		await two.counters.acquire(key(), 2);
		one.supervisorEnd.unblock();
		await delivered();
		expect(await granted(two.counters, 2)).toBe(1);
	});

	it("never leave an entry behind, whatever workers do and whenever they die", async () => {
		const supervisor = startSupervisor();
		let seed = 7;
		const random = (below: number): number => {
			seed = (seed * 48_271) % 2_147_483_647;
			return seed % below;
		};
		for (let round = 0; round < 20; round++) {
			const workers = [supervisor.start(1), supervisor.start(2), supervisor.start(3)];
			for (let i = 0; i < 60; i++) {
				const worker = workers[random(3)] as (typeof workers)[0];
				const at = key(`10.0.0.${random(4)}`);
				const hold = random(3);
				void worker.counters.acquire(at, 5).then(
					(taken) => taken && hold > 0 && worker.counters.release(at),
					() => undefined,
				);
				if (random(5) === 0) await new Promise((resolve) => setImmediate(resolve));
			}
			for (const worker of workers) worker.kill();
			await delivered();
			expect([...supervisor.state.counters.sizes()]).toEqual([{ limit: "connections_per_ip", entries: 0 }]);
		}
	});
});

it("a rate is used up by all workers together", async () => {
	const supervisor = startSupervisor({ now: 1_000 });
	const workers = [supervisor.start(1), supervisor.start(2), supervisor.start(3)];
	const rate = { perSecond: 2, burst: 4 };
	const at: CounterKey = { ...key(), limit: "new_connections_per_ip" };
	const waits = await Promise.all(Array.from({ length: 6 }, (_, i) => workers[i % 3]?.counters.take(at, rate)));
	expect(waits.sort()).toEqual([0, 0, 0, 0, 500, 500]);
	supervisor.clock.now += 500;
	expect(await workers[2]?.counters.take(at, rate)).toBe(0);
	expect(await workers[0]?.counters.take(at, rate)).toBe(500);
});

describe("when the supervisor does not answer", () => {
	it("a limit refuses with 503 and Retry-After after two seconds, and a place that is granted later is given back", async () => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		const supervisor = startSupervisor();
		const [one, two] = [supervisor.start(1), supervisor.start(2)];
		one.supervisorEnd.blocked = true;
		const refused = expect(one.counters.acquire(key(), 1)).rejects.toMatchObject({
			code: "LIMITS_UNAVAILABLE",
			status: 503,
			retryAfter: 1,
		});
		await delivered();
		await vi.advanceTimersByTimeAsync(1_999);
		one.supervisorEnd.unblock();
		one.end.blocked = true;
		await delivered();
		await vi.advanceTimersByTimeAsync(1);
		await refused;
		expect(await two.counters.acquire(key(), 1)).toBe(false);
		one.end.unblock();
		await delivered();
		expect(await two.counters.acquire(key(), 1)).toBe(true);
	});

	it("because it is gone, everybody who waits is refused at once", async () => {
		const supervisor = startSupervisor();
		const one = supervisor.start(1);
		one.supervisorEnd.blocked = true;
		const waiting = [one.counters.acquire(key(), 1), one.counters.take(key(), { perSecond: 1, burst: 1 })];
		one.end.emit("disconnect");
		for (const asked of waiting) await expect(asked).rejects.toMatchObject({ code: "LIMITS_UNAVAILABLE" });
		await expect(one.counters.acquire(key(), 1)).rejects.toMatchObject({ code: "LIMITS_UNAVAILABLE" });
	});
});

/** How many more of `max` places there are; all are given back. */
async function granted(
	counters: { acquire(key: CounterKey, max: number): Promise<boolean>; release(key: CounterKey): void },
	max: number,
): Promise<number> {
	let count = 0;
	while (await counters.acquire(key(), max)) count++;
	for (let i = 0; i < count; i++) counters.release(key());
	await delivered();
	return count;
}

/** The asker dies before the answer. */
function nobodyReads(asked: Promise<boolean>): void {
	asked.catch(() => undefined);
}
