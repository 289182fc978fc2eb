import { expect, it } from "vitest";
import { busiestSecond } from "../../../harness/storm.ts";
import { seededRandom } from "../../upstreams/upstream.fixtures.ts";
import { delivered, startSupervisor } from "./workers.fixtures.ts";

/** Of a client that stays. */
const staying = (): AbortSignal => new AbortController().signal;

it("all workers take their turns from one rate, and share one queue", async () => {
	const supervisor = startSupervisor();
	const turns = [1, 2, 3].map((number) => supervisor.start(number).upstreams.turns("app"));
	const startedAt = performance.now();
	const entered: number[] = [];
	const shed: unknown[] = [];
	// One at once, 20 in the queue (two seconds' worth), the rest is shed.
	const asked = Array.from({ length: 30 }, async (_, i) => {
		try {
			await turns[i % 3]?.enter({ rate: 10, signal: staying(), maxWait: 10_000, again: false });
			entered.push(performance.now() - startedAt);
		} catch (error) {
			shed.push(error);
		}
	});
	await delivered();
	expect([entered.length, shed.length]).toEqual([1, 9]);
	for (const error of shed) {
		expect(error).toMatchObject({ code: "OVERLOADED", status: 503, retryAfter: expect.any(Number) });
	}
	await Promise.all(asked);
	expect(entered.length).toBe(21);
	expect(entered.at(-1)).toBeGreaterThan(1_950);
	expect(entered.at(-1)).toBeLessThan(2_600);
});

it("a client that leaves, and a worker that dies, leave the queue", async () => {
	const supervisor = startSupervisor();
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	const enter = (worker: typeof one, signal: AbortSignal) =>
		worker.upstreams.turns("app").enter({ rate: 1, signal, maxWait: 10_000, again: false });
	await enter(one, staying());
	const leaving = new AbortController();
	const left = enter(one, leaving.signal);
	void enter(two, staying())?.catch(() => undefined);
	await delivered();
	leaving.abort();
	await expect(left).rejects.toMatchObject({ code: "CLIENT_GONE" });
	two.kill();
	await delivered();
	const startedAt = performance.now();
	await enter(one, staying());
	// One turn; the two that left would have had theirs before it.
	expect(performance.now() - startedAt).toBeLessThan(1_800);
});

it("what a stalled worker writes late counts when it was written, not when it was allowed", async () => {
	const supervisor = startSupervisor();
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	const enter = (worker: typeof one) =>
		worker.upstreams.turns("app").enter({ rate: 2, signal: staying(), maxWait: 10_000, again: false });
	// Two in any second: at this rate the third has to wait for the first one, which is late.
	for (const worker of [one, two]) {
		await enter(worker);
		if (worker === one) worker.end.blocked = true;
		const paced = worker.upstreams.turns("app").pace();
		if (worker === two) await paced;
	}
	let written = Number.NaN;
	let third = Number.NaN;
	const last = Promise.resolve(two.upstreams.turns("app").pace()).then(() => {
		third = performance.now();
	});
	await new Promise((resolve) => setTimeout(resolve, 1_300));
	expect(third).toBeNaN();
	written = performance.now();
	one.end.unblock();
	await last;
	expect(third - written).toBeGreaterThan(980);
	expect(third - written).toBeLessThan(1_500);
});

it("never more than rate × 1.1 are written in any second, however workers stall", { timeout: 20_000 }, async () => {
	const supervisor = startSupervisor();
	const workers = [1, 2, 3].map((number) => supervisor.start(number));
	const random = seededRandom();
	let over = false;
	const stalls = workers.map(async ({ end }) => {
		while (!over) {
			end.blocked = random() < 0.5;
			await new Promise((resolve) => setTimeout(resolve, random() * 200));
			end.unblock();
			await new Promise((resolve) => setTimeout(resolve, random() * 20));
		}
	});
	const turns = workers.map(({ upstreams }) => upstreams.turns("app"));
	await turns[0]?.enter({ rate: 100, signal: staying(), maxWait: 10_000, again: false });
	const written: number[] = [];
	const startedAt = performance.now();
	// Whole stalls are made up for at once: it is what is written that has to be even.
	await Promise.all(
		Array.from({ length: 300 }, async (_, i) => {
			await turns[i % 3]?.pace();
			written.push(performance.now());
		}),
	);
	const seconds = (performance.now() - startedAt) / 1_000;
	over = true;
	await Promise.all(stalls);
	expect(busiestSecond(written)).toBeLessThanOrEqual(110);
	expect(busiestSecond(written)).toBeGreaterThan(80);
	expect(seconds).toBeLessThan(4.5);
});

it("a worker that dies, or hangs for two seconds, before it wrote does not hold the others up", async () => {
	const supervisor = startSupervisor();
	const workers = [1, 2, 3].map((number) => supervisor.start(number));
	const [dying, hanging, good] = workers as [(typeof workers)[0], (typeof workers)[0], (typeof workers)[0]];
	await good.upstreams.turns("app").enter({ rate: 2, signal: staying(), maxWait: 10_000, again: false });
	const startedAt = performance.now();
	for (const worker of [dying, hanging]) {
		worker.end.blocked = true;
		void worker.upstreams.turns("app").pace();
	}
	await new Promise((resolve) => setTimeout(resolve, 500));
	dying.kill();
	await good.upstreams.turns("app").pace();
	expect(performance.now() - startedAt).toBeLessThan(2_000);
	await good.upstreams.turns("app").pace();
	const seconds = (performance.now() - startedAt) / 1_000;
	expect(seconds).toBeGreaterThan(2.9);
	expect(seconds).toBeLessThan(4.5);
});

it("without an answer nobody enters, but who had a turn goes on", async () => {
	const one = startSupervisor().start(1);
	one.end.emit("disconnect");
	const turns = one.upstreams.turns("app");
	await expect(turns.enter({ rate: 1, signal: staying(), maxWait: 1_000, again: false })).rejects.toMatchObject({
		code: "LIMITS_UNAVAILABLE",
	});
	await turns.pace();
});
