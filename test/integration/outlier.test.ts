/** An endpoint that fails real connections is ejected for a while, by the rules and not more often. */
import { describe, expect, test } from "vitest";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import type { LogRecord } from "../harness/log-lines.ts";
import { metric } from "../harness/metrics.ts";
import { until } from "../harness/poll.ts";
import { closedPort, ownAddress } from "../harness/ports.ts";
import {
	accepting,
	echoingFrames,
	missingUpgrade,
	readRequest,
	refusing,
	type Script,
	silent,
	startRawBackend,
	wrongAccept,
} from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";

function start(urls: readonly string[], detection: string, route = ""): Promise<TestGateway> {
	return startTestGateway(`
		admin: { address: "127.0.0.1:0" }
		trusted_proxies: [127.0.0.1]
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}]
				outlier_detection: { ${detection} }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: 300ms, handshake: 150ms }
				${route}
	`);
}

/** One connection after the other, closed properly. */
async function visit(gateway: TestGateway, times: number): Promise<void> {
	for (let i = 0; i < times; i++) {
		const client = await openRaw(gateway.port, "/", { localAddress: ownAddress() });
		client.sendClose(1000);
		await client.readFrame();
		client.end();
	}
}

const failures: [string, Script | "closed", string][] = [
	["refuses connections", "closed", "connect_failure"],
	["does not answer in time", silent, "handshake_timeout"],
	["answers 500", refusing(500), "500"],
	["answers 503", refusing(503), "503"],
	["answers a wrong Accept", wrongAccept, "bad_handshake"],
	["answers a 101 without Upgrade", missingUpgrade, "bad_handshake"],
];

describe.each(failures)("an endpoint that %s", (_, script, reason) => {
	test("is ejected after so many failures in a row, and clients go elsewhere meanwhile", async () => {
		const bad = script === "closed" ? undefined : await startRawBackend(script);
		const url = bad?.url ?? `ws://127.0.0.1:${await closedPort()}`;
		const good = await startRawBackend(echoingFrames());
		const gateway = await start(
			[url, good.url],
			"consecutive_failures: 2, base_ejection_time: 60s",
			'retries: { on: [connect_failure, handshake_timeout, bad_handshake, "500", "503"] }',
		);
		await visit(gateway, 4);
		const [ejected] = gateway.lines.of("endpoint.ejected");
		expect(ejected).toMatchObject({
			upstream: "app",
			endpoint: url.slice(5),
			reason: `2 in a row failed, the last one: ${reason}`,
			ejection_ms: 60_000,
			ejections: 1,
			level: "warn",
		});
		await visit(gateway, 6);
		const tried = gateway.lines.of("ws.open").map(({ attempts }) => attempts?.length);
		expect(tried.filter((attempts) => attempts === 2)).toHaveLength(2);
		expect(tried.slice(4)).toEqual([1, 1, 1, 1, 1, 1]);
		if (bad) expect(bad.connections).toHaveLength(2);
		const labels = `upstream="app",endpoint="${url.slice(5)}"`;
		expect((await metric(gateway, "endpoint_ejections_total"))[labels]).toBe(1);
		expect((await metric(gateway, "endpoint_up"))[labels]).toBe(0);
		await gateway.expectQuiet();
	});
});

/** A correct 101; then the connection is reset, a little later, without a Close. */
const droppingEarly: Script = accepting({}, (peer) => void setTimeout(() => peer.reset(), 10));

test("an endpoint that drops its tunnels right after the 101 is ejected", async () => {
	const bad = await startRawBackend(droppingEarly);
	const good = await startRawBackend(echoingFrames());
	const gateway = await start([bad.url, good.url], "consecutive_failures: 3, base_ejection_time: 60s");
	for (let i = 0; i < 6; i++) {
		const client = await openRaw(gateway.port, "/", { localAddress: ownAddress() });
		await until(() => client.ending !== "open" || i % 2 === 1, { what: "the end of a tunnel to the bad endpoint" });
		client.reset();
	}
	const ejected = await gateway.waitForLog("endpoint.ejected");
	expect(ejected).toMatchObject({
		endpoint: bad.id,
		reason: "3 in a row failed, the last one: dropped without a Close in the first second",
	});
	await gateway.expectQuiet();
});

test("an endpoint that ends its tunnels between two frames, right after the 101, is not ejected", async () => {
	const ending = await startRawBackend(accepting({}, (peer) => peer.end()));
	const good = await startRawBackend(echoingFrames());
	const gateway = await start([ending.url, good.url], "consecutive_failures: 3, base_ejection_time: 60s");
	for (let i = 0; i < 10; i++) {
		const client = await openRaw(gateway.port);
		if (i % 2 === 0) expect(await client.ended()).toBe("fin");
		client.end();
		if (i % 2 === 1) client.reset();
	}
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.close").filter(({ termination }) => termination === "backend_end")).toHaveLength(5);
	expect(gateway.lines.of("endpoint.ejected")).toEqual([]);
});

test("a 4xx, a client that leaves during the handshake, and a Close at once are no failures", async () => {
	let mode: Script = refusing(403);
	const picky = await startRawBackend((peer, index) => mode(peer, index));
	const gateway = await start([picky.url, `ws://127.0.0.1:${await closedPort()}`], "consecutive_failures: 1");
	// The second endpoint, which cannot be reached, is out at once; from here on there is only the first one.
	while (gateway.lines.of("endpoint.ejected").length === 0) {
		const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
		await client.handshake();
		client.reset();
	}
	const asked = async (count: number): Promise<void> => {
		for (let i = 0; i < count; i++) {
			const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
			client.write(client.handshakeHead());
			const before = picky.connections.length;
			if (mode === silent) await until(() => picky.connections.length > before, { what: "the dial" });
			else await until(() => client.unread.length > 0, { what: "an answer" });
			client.reset();
		}
	};
	await asked(4);
	mode = silent;
	await asked(4);
	mode = accepting({}, (peer) => {
		peer.sendClose(1011);
		peer.end();
	});
	await asked(4);
	await until(() => gateway.lines.of("ws.close").length === 4, { what: "four closed tunnels" });
	expect(gateway.lines.of("endpoint.ejected")).toHaveLength(1);
	await gateway.expectQuiet();
});

test("the only endpoint is never ejected, and with two it is never both", async () => {
	const bad = [await startRawBackend(refusing(500)), await startRawBackend(refusing(500))];
	for (const [count, out] of [
		[1, 0],
		[2, 1],
	] as const) {
		const gateway = await start(
			bad.slice(0, count).map(({ url }) => url),
			"consecutive_failures: 1, base_ejection_time: 60s, max_ejection_percent: 99%",
		);
		for (let i = 0; i < 6; i++) {
			const client = await connectRaw({ port: gateway.port, localAddress: ownAddress() });
			expect((await client.handshake()).status).toBe(500);
			client.reset();
		}
		expect(gateway.lines.of("endpoint.ejected")).toHaveLength(out);
		await gateway.expectQuiet();
	}
});

test("plain HTTP counts too: a 5xx, and a connection that fails", async () => {
	const bad = await startRawBackend(refusing(500));
	const good = await startRawBackend(refusing(204));
	const gateway = await start([bad.url, good.url], "consecutive_failures: 3, base_ejection_time: 60s");
	const statuses: number[] = [];
	for (let i = 0; i < 12; i++) {
		const response = await fetch(`http://127.0.0.1:${gateway.port}/`, { headers: { "X-Forwarded-For": ownAddress() } });
		await response.arrayBuffer();
		statuses.push(response.status);
	}
	expect(statuses.filter((status) => status === 500)).toHaveLength(3);
	expect(gateway.lines.of("endpoint.ejected")).toHaveLength(1);
	expect(statuses.slice(6)).toEqual(Array(6).fill(204));
});

test("an endpoint that flaps every second takes new connections only between its ejections, which grow longer", {
	timeout: 30_000,
}, async () => {
	const startedAt = performance.now();
	const isUp = (): boolean => Math.floor((performance.now() - startedAt) / 1_000) % 2 === 1;
	const arrivals: number[] = [];
	const flapping = await startRawBackend(async (peer, index) => {
		arrivals.push(Date.now());
		if (isUp()) return echoingFrames()(peer, index);
		await readRequest(peer);
		peer.reset();
	});
	const good = await startRawBackend(echoingFrames());
	const gateway = await start([flapping.url, good.url], "consecutive_failures: 3, base_ejection_time: 500ms");
	const ejected = () => gateway.lines.of("endpoint.ejected");
	await until(
		async () => {
			await visit(gateway, 5);
			return ejected().length >= 2 && ejected().some(({ ejection_ms }) => Number(ejection_ms) > 500);
		},
		{ timeout: 25_000, what: "an ejection that is longer than the first" },
	);
	const ejections = ejected();
	for (const ejection of ejections) {
		const from = timeOf(ejection);
		const over = from + Number(ejection.ejection_ms);
		// The line is written when the last failure is known; nothing arrives until the time is over.
		expect(arrivals.filter((at) => at > from + 5 && at < over - 5)).toEqual([]);
	}
	const growing = ejections.map(({ ejection_ms }) => Number(ejection_ms) / 500);
	expect(growing[0]).toBe(1);
	expect(Math.max(...growing)).toBeGreaterThan(1);
	for (const [index, times] of growing.entries()) expect(times).toBeLessThanOrEqual(index + 1);
	// It came back after each one that is over, and said so.
	const back = gateway.lines.of("endpoint.up");
	expect(back.length).toBeGreaterThanOrEqual(ejections.length - 1);
	for (const line of back) expect(line).toMatchObject({ endpoint: flapping.id, reason: "ejection over" });
	// No client noticed.
	expect(gateway.lines.of("ws.reject")).toEqual([]);
	await gateway.expectQuiet();
});

function timeOf({ time }: LogRecord): number {
	return typeof time === "number" ? time : Date.parse(time as string);
}

test("a backend that ends its tunnels with a FIN between frames, as WeeChat, IRC and MQTT servers do, is left alone", async () => {
	const ending: Script = accepting({}, (peer) => void setTimeout(() => peer.end(), 10));
	const backend = await startRawBackend(ending);
	const other = await startRawBackend(ending);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				endpoints: ["${backend.url}", "${other.url}"]
				outlier_detection: { consecutive_failures: 1 }
				circuit_breaker: { minimum_handshakes: 2 }
		routes: [{ match: { path_prefix: / }, upstream: app }]
	`);
	for (let i = 0; i < 12; i++) {
		const client = await openRaw(gateway.port, "/", { localAddress: ownAddress() });
		await client.ended();
		client.end();
	}
	await until(() => gateway.lines.of("ws.close").length === 12, { what: "the closes" });
	expect(new Set(gateway.lines.of("ws.close").map(({ termination }) => termination))).toEqual(new Set(["backend_end"]));
	expect([gateway.lines.of("endpoint.ejected"), gateway.lines.of("breaker.open")]).toEqual([[], []]);
});
