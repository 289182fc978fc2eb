import { describe, expect, it } from "vitest";
import type { GatewayError } from "../../../src/errors.ts";
import { Admission } from "../../../src/upstreams/admission.ts";
import { seededRandom } from "./upstream.fixtures.ts";
import { VirtualTime } from "./virtual-time.ts";

type Population = "honours Retry-After" | "retries after a second" | "does one or the other";

interface Storm {
	readonly clients: number;
	readonly rate: number;
	readonly population: Population;
	/** The process does not run for so many ms of each half second. */
	readonly pause: number;
}

/** Clients that all come at once and come back until they are in. Resolves with when they were, in ms. */
async function storm({ clients, rate, population, pause }: Storm): Promise<number[]> {
	const time = new VirtualTime();
	const random = seededRandom(7);
	const gate = new Admission({ now: () => time.now, random });
	const admitted: number[] = [];
	const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
	const client = async (honours: boolean): Promise<void> => {
		// Even a storm needs its time to get through the door.
		await sleep(random() * 500);
		for (;;) {
			try {
				const { signal } = new AbortController();
				await gate.enter({ rate, signal, maxWait: 10_000, again: false });
				// The connection to the backend; a pause makes many of them ready at once.
				await sleep(1 + random() * 3);
				await gate.pace();
				admitted.push(time.now);
				return;
			} catch (error) {
				const { retryAfter } = error as GatewayError;
				// What it takes to read the answer and to connect anew; or its own second ± half.
				await sleep(honours ? (retryAfter as number) * 1000 + random() * 50 : 500 + random() * 1000);
			}
		}
	};
	const all = Array.from({ length: clients }, (_, index) =>
		client(population === "does one or the other" ? index % 2 === 0 : population === "honours Retry-After"),
	);
	// Whatever is due during a pause happens after it.
	const busy = async (): Promise<void> => {
		while (pause > 0 && admitted.length < clients) {
			await sleep(500);
			time.now += pause;
		}
	};
	all.push(busy());
	try {
		await time.run();
		await Promise.all(all);
	} finally {
		time.restore();
	}
	return admitted;
}

/** The most admissions in any second. */
function busiestSecond(times: readonly number[]): number {
	let most = 0;
	let from = 0;
	for (const [index, time] of times.entries()) {
		while (time - (times[from] as number) >= 1000) from++;
		most = Math.max(most, index - from + 1);
	}
	return most;
}

describe.each<Population>(["honours Retry-After", "retries after a second", "does one or the other"])(
	"a storm of clients of which each %s",
	(population) => {
		it.each([
			[5_000, 200, 0],
			[5_000, 200, 100],
			[1_000, 200, 0],
			[600, 200, 0],
			[300, 10, 0],
		])(
			"%i at %i a second, pauses of %i ms: all are in within clients ÷ rate + 20 percent, never too many at once",
			async (clients, rate, pause) => {
				const times = await storm({ clients, rate, population, pause });
				expect(times).toHaveLength(clients);
				expect(busiestSecond(times)).toBeLessThanOrEqual(rate * 1.1);
				expect((times.at(-1) as number) / 1000).toBeLessThanOrEqual((clients / rate) * 1.2);
			},
		);
	},
);
