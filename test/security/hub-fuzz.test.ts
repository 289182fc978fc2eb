/** Clients of hubs that send what no client should: each connection goes on or ends with one clear code, and nothing stays. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { FORMATS, fuzzHub } from "../harness/hub-fuzz.ts";
import { until } from "../harness/poll.ts";

/** What a client may be told: a code of ours for its mistake, or its own Close. */
const CODES = [1000, 1002, 1003, 1007, 3500, 3501];

test.each(FORMATS)("changed messages of %s neither stop the gateway nor stay", async (format) => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		hub_api: { address: "127.0.0.1:0" }
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
	const { codes } = await fuzzHub(gateway.url(format === "plain" ? "/p" : "/c"), format, 1_500, seed);
	const what = `seed ${seed}: ${JSON.stringify([...codes])}`;
	expect(
		[...codes.keys()].filter((code) => !CODES.includes(code)),
		what,
	).toEqual([]);
	expect(
		gateway.logs.filter(({ event }) => event === "internal.error"),
		what,
	).toEqual([]);
	await until(() => gateway.handle.connectionCount() === 0, { what: "no connection left" });
	const answer = await fetch(`http://127.0.0.1:${gateway.handle.hubApiPort}/api/channels`, {
		method: "POST",
		body: "{}",
	});
	expect(await answer.json(), what).toEqual({ result: { channels: {} } });
	await gateway.expectQuiet();
});
