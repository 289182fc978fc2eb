/** A million changed messages to hubs: no crash, no leak. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { FORMATS, fuzzHub } from "../harness/hub-fuzz.ts";
import { until } from "../harness/poll.ts";

const MESSAGES = 1_000_000;
/** Sockets at a time. */
const SOCKETS = 8;
const ROUNDS = 10;

test("a million changed messages leave no connection, no topic and no memory", { timeout: 3_600_000 }, async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		log: { level: error }
		hubs:
		  main:
		    anonymous: true
		    topics: [{ match: "t.**", subscribe: anyone, publish: anyone, history: { size: 10, ttl: 1m }, presence: true }]
		    limits: { publications: { rate: 100000/s, burst: 100000 } }
		routes:
		  - { match: { path: /c }, hub: main }
		  - { match: { path: /p }, hub: { name: main, protocol: plain } }
	`);
	const seed = Math.floor(Math.random() * 2 ** 32);
	const heaps: number[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		for (const format of FORMATS) {
			const url = gateway.url(format === "plain" ? "/p" : "/c");
			const each = Math.ceil(MESSAGES / ROUNDS / FORMATS.length / SOCKETS);
			const at = round * FORMATS.length + FORMATS.indexOf(format);
			await Promise.all(
				Array.from({ length: SOCKETS }, (_, socket) => fuzzHub(url, format, each, seed + at * SOCKETS + socket)),
			);
		}
		await until(() => gateway.handle.connectionCount() === 0, { what: "no connection left" });
		gateway.lines.records.length = 0;
		globalThis.gc?.();
		heaps.push(process.memoryUsage().heapUsed);
	}
	expect(
		gateway.logs.filter(({ event }) => event === "internal.error"),
		`seed ${seed}`,
	).toEqual([]);
	// The first rounds load and compile; the topics of a history are bounded, and random names fill it for a while.
	const [early, late] = [heaps[Math.floor(ROUNDS / 2)] as number, heaps.at(-1) as number];
	expect(late, `seed ${seed}: ${heaps.map((bytes) => Math.round(bytes / 1024 ** 2))} MiB`).toBeLessThan(
		early * 1.2 + 16 * 1024 ** 2,
	);
});
