import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GatewayError } from "../../../src/errors.ts";
import { Admission, type EnterOptions } from "../../../src/upstreams/admission.ts";
import { seededRandom } from "./upstream.fixtures.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	expect(vi.getTimerCount()).toBe(0);
	vi.useRealTimers();
});

function admission(random: () => number = seededRandom()) {
	const gate = new Admission({ now: () => performance.now(), random });
	const enter = (options: Partial<EnterOptions> = {}) =>
		gate.enter({ rate: 200, signal: new AbortController().signal, maxWait: 10_000, again: false, ...options });
	return { gate, enter };
}

/** Enters again and again without waiting; counts those that need not wait. */
function atOnce(enter: () => Promise<void> | undefined, tries: number): number {
	let admitted = 0;
	for (let i = 0; i < tries; i++) if (enter() === undefined) admitted++;
	return admitted;
}

/** The error of a handshake that is shed. */
function shedBy(enter: () => Promise<void> | undefined): GatewayError {
	try {
		void enter();
	} catch (error) {
		if (error instanceof GatewayError) return error;
	}
	throw new Error("it was not shed");
}

describe("admission", () => {
	it("lets a twentieth of a second's worth in at once, then each at its time, in order", async () => {
		const { gate, enter } = admission();
		expect(atOnce(enter, 10)).toBe(10);
		const order: number[] = [];
		const times: number[] = [];
		const start = performance.now();
		for (let i = 0; i < 5; i++) {
			void enter()?.then(() => {
				order.push(i);
				times.push(performance.now() - start);
			});
		}
		expect(gate.queued).toBe(5);
		await vi.advanceTimersByTimeAsync(100);
		expect(order).toEqual([0, 1, 2, 3, 4]);
		expect(times).toEqual([5, 10, 15, 20, 25]);
	});

	it("with 1 a second lets one through a second", async () => {
		const { enter } = admission();
		expect(enter({ rate: 1 })).toBe(undefined);
		let admitted = false;
		void enter({ rate: 1 })?.then(() => {
			admitted = true;
		});
		await vi.advanceTimersByTimeAsync(999);
		expect(admitted).toBe(false);
		await vi.advanceTimersByTimeAsync(1);
		expect(admitted).toBe(true);
	});

	it("queues two seconds' worth, then sheds with OVERLOADED and Retry-After", async () => {
		const { gate, enter } = admission();
		atOnce(enter, 10);
		for (let i = 0; i < 400; i++) void enter();
		expect(gate.queued).toBe(400);
		const errors = Array.from({ length: 100 }, () => shedBy(enter));
		expect(new Set(errors.map(({ code, status }) => `${code} ${status}`))).toEqual(new Set(["OVERLOADED 503"]));
		// Where the queue ends, each in a place of its own and rounded at random.
		const seconds = errors.map(({ retryAfter }) => retryAfter as number);
		expect(seconds.every((wait) => Number.isInteger(wait) && wait >= 1 && wait <= 3)).toBe(true);
		expect(new Set(seconds).size).toBeGreaterThan(1);
		await vi.advanceTimersByTimeAsync(2_000);
		expect(gate.queued).toBe(0);
	});

	it("sheds whoever would have to wait longer than it may", async () => {
		const { gate, enter } = admission();
		atOnce(enter, 10);
		for (let i = 0; i < 20; i++) void enter({ maxWait: 100 });
		expect(() => enter({ maxWait: 100 })).toThrow(/max_handshakes_per_second/);
		void enter({ maxWait: 200 });
		expect(gate.queued).toBe(21);
		await vi.advanceTimersByTimeAsync(200);
	});

	it("a client that leaves gives its place to the next", async () => {
		const { gate, enter } = admission();
		atOnce(enter, 10);
		const leaving = new AbortController();
		const left = enter({ signal: leaving.signal });
		let admittedAt = 0;
		const start = performance.now();
		void enter()?.then(() => {
			admittedAt = performance.now() - start;
		});
		leaving.abort();
		await expect(left).rejects.toMatchObject({ code: "CLIENT_GONE" });
		expect(gate.queued).toBe(1);
		await vi.advanceTimersByTimeAsync(50);
		expect(admittedAt).toBe(5);
		expect(() => enter({ signal: AbortSignal.abort() })).toThrow(GatewayError);
	});

	it("the last one that leaves takes the timer with it", async () => {
		const { enter } = admission();
		atOnce(enter, 10);
		const leaving = new AbortController();
		const left = enter({ signal: leaving.signal });
		leaving.abort();
		await expect(left).rejects.toThrow();
		expect(vi.getTimerCount()).toBe(0);
	});

	it("a further attempt goes before those that wait for their first, even when the queue is full", async () => {
		const { enter } = admission();
		atOnce(enter, 10);
		const order: string[] = [];
		for (let i = 0; i < 400; i++) void enter()?.then(() => order.push("first"));
		void enter({ again: true })?.then(() => order.push("again"));
		await vi.advanceTimersByTimeAsync(15);
		expect(order).toEqual(["again", "first", "first"]);
		await vi.advanceTimersByTimeAsync(3_000);
	});

	it("writes connections that are ready at the same time one after the other, never more than 1.1 of the rate in 1.08 s", async () => {
		const { gate, enter } = admission();
		expect(enter()).toBe(undefined);
		const written: number[] = [];
		const start = performance.now();
		for (let i = 0; i < 300; i++) {
			const turn = gate.pace();
			if (turn === undefined) written.push(0);
			else void turn.then(() => written.push(performance.now() - start));
		}
		// A fiftieth of a second's worth at once, the others at 1.25 of the rate.
		expect(written).toHaveLength(4);
		await vi.advanceTimersByTimeAsync(400);
		expect(written).toHaveLength(104);
		await vi.advanceTimersByTimeAsync(679);
		expect(written).toHaveLength(220);
		await vi.advanceTimersByTimeAsync(1_000);
		expect(written).toHaveLength(300);
		for (const [index, time] of written.slice(220).entries()) {
			expect(time - (written[index] as number)).toBeGreaterThanOrEqual(1_080);
		}
	});

	it("lets nobody go on to make a connection while others that have one wait", async () => {
		const { gate, enter } = admission();
		expect(enter()).toBe(undefined);
		for (let i = 0; i < 24; i++) void gate.pace();
		let admitted = 0;
		const start = performance.now();
		void enter()?.then(() => {
			admitted = performance.now() - start;
		});
		await vi.advanceTimersByTimeAsync(1_000);
		// 4 were written at once; when 11 more are, the tenth of those that are left is the one too many.
		expect(admitted).toBe(44);
	});

	it("takes over another rate, and what was written in the last second goes on counting", async () => {
		const { gate, enter } = admission();
		expect(enter()).toBe(undefined);
		for (let i = 0; i < 150; i++) void gate.pace();
		await vi.advanceTimersByTimeAsync(1_000);
		expect(enter({ rate: 100 })).toBe(undefined);
		const start = performance.now();
		let written = 0;
		void gate.pace()?.then(() => {
			written = performance.now() - start;
		});
		// 110 are all that it may be in 1.08 s: the 41st of the 150 was written at 148 ms.
		await vi.advanceTimersByTimeAsync(1_000);
		expect(written).toBe(228);
		expect(enter({ rate: 1_000 })).toBe(undefined);
		expect(gate.pace()).toBe(undefined);
	});
});
