/** DNS discovery: endpoints come and go with the answers; a bad answer changes nothing. */
import { describe, expect, test } from "vitest";
import { certificate, temporaryFiles } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, type RawBackend, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { type DnsServer, startDnsServer, type Zone } from "../unit/upstreams/discovery/dns-server.fixtures.ts";

const NAME = "_ws._tcp.chat.internal";

function yaml(dns: DnsServer, { endpoints = "", record = "srv", more = "" } = {}): string {
	const name = record === "srv" ? NAME : "chat.internal";
	return `
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
			app:
				${endpoints}
				discovery: { type: dns, name: ${name}, record: ${record}, interval: 100ms, servers: ["${dns.address}"]${more} }
		routes:
			- name: app
				match: { path_prefix: / }
				upstream: app
				drain: { timeout: 5s, spread: 0s, close_code: 1012, reason: "moved" }
	`;
}

/** SRV records of backends on 127.0.0.1. */
function zonesOf(...backends: RawBackend[]): Record<string, Zone> {
	return {
		[NAME]: { srv: backends.map(({ port }) => ({ target: "node.chat.internal", port, weight: 1 })) },
		"node.chat.internal": { a: ["127.0.0.1"] },
	};
}

const backends = (count: number) => Promise.all(Array.from({ length: count }, () => startRawBackend(echoingFrames())));

/** The endpoints that this many new connections are given. */
async function served(gateway: Pick<TestGateway, "port" | "lines">, count: number): Promise<Set<string | undefined>> {
	const before = gateway.lines.of("ws.open").length;
	for (let i = 0; i < count; i++) (await openRaw(gateway.port)).reset();
	await until(() => gateway.lines.of("ws.open").length === before + count, { what: "the opens" });
	return new Set(
		gateway.lines
			.of("ws.open")
			.slice(before)
			.map(({ endpoint }) => endpoint),
	);
}

const changes = (gateway: Pick<TestGateway, "lines">, count: number) =>
	until(() => gateway.lines.of("discovery.changed").length === count, { what: `discovery.changed number ${count}` });

test("the first answer is there before the first client", async () => {
	const [a, b] = (await backends(2)) as [RawBackend, RawBackend];
	const dns = await startDnsServer(zonesOf(a, b));
	const gateway = await startTestGateway(yaml(dns));
	expect(await served(gateway, 4)).toEqual(new Set([a.id, b.id]));
	await gateway.expectQuiet();
});

test("the gateway starts without an answer, says 503, and serves as soon as there is one", async () => {
	const [a] = (await backends(1)) as [RawBackend];
	const dns = await startDnsServer({ [NAME]: { trouble: "silent" } });
	const gateway = await startTestGateway(yaml(dns));
	const client = await connectRaw({ port: gateway.port });
	await expectRejection(client, await client.handshake(), 503, "NO_ENDPOINT");
	client.end();
	dns.zones = zonesOf(a);
	await gateway.lines.waitFor("discovery.changed", 10_000);
	expect(await served(gateway, 1)).toEqual(new Set([a.id]));
	await gateway.expectQuiet();
});

test("a new address takes new connections; the connections of one that is gone are drained, not cut", async () => {
	const [a, b, c] = (await backends(3)) as [RawBackend, RawBackend, RawBackend];
	const dns = await startDnsServer(zonesOf(a, b));
	const gateway = await startTestGateway(yaml(dns));
	const open = [await openRaw(gateway.port), await openRaw(gateway.port)];
	await until(() => gateway.lines.of("ws.open").length === 2, { what: "two opens" });
	const ids = gateway.lines.of("ws.open").map(({ endpoint }) => endpoint);
	const [gone, stays] = ids[0] === a.id ? open : [open[1], open[0]];
	dns.zones = zonesOf(c, b);
	await changes(gateway, 2);
	expect(gateway.lines.of("discovery.changed")[1]).toMatchObject({
		upstream: "app",
		endpoints: 2,
		added: [c.url],
		removed: [a.url],
	});
	expect(await gone?.readFrame()).toMatchObject({ opcode: OPCODE.close, closeCode: 1012, text: "moved" });
	gone?.sendClose(1012);
	gone?.end();
	stays?.sendFrame(OPCODE.text, "untouched");
	expect((await stays?.readFrame())?.text).toBe("untouched");
	expect(await served(gateway, 4)).toEqual(new Set([b.id, c.id]));
	stays?.reset();
	await gateway.expectQuiet();
});

describe.each<[string, Record<string, Zone>, RegExp]>([
	["SERVFAIL", { [NAME]: { trouble: "SERVFAIL" } }, /SERVFAIL/],
	["NXDOMAIN", {}, /NXDOMAIN/],
	["an empty answer", { [NAME]: { srv: [] } }, /no SRV records/],
	["silence", { [NAME]: { trouble: "silent" } }, /did not answer in time/],
])("%s", (_, trouble, reason) => {
	test("changes nothing, is told once, and so is the recovery", async () => {
		const [a, b] = (await backends(2)) as [RawBackend, RawBackend];
		const dns = await startDnsServer(zonesOf(a, b));
		const gateway = await startTestGateway(yaml(dns));
		const client = await openRaw(gateway.port);
		dns.zones = trouble;
		const failed = await gateway.waitForLog("discovery.failed");
		expect(failed).toMatchObject({ level: "warn", upstream: "app", question: `SRV ${NAME}`, endpoints: 2 });
		expect(failed.reason).toMatch(reason);
		const asked = dns.questions.length;
		await until(() => dns.questions.length >= asked + 3, { timeout: 10_000, what: "further questions" });
		expect(await served(gateway, 4)).toEqual(new Set([a.id, b.id]));
		expect(gateway.lines.of("discovery.failed")).toHaveLength(1);
		dns.zones = zonesOf(b, a);
		await gateway.waitForLog("discovery.recovered", 10_000);
		// The same servers in another order.
		expect(gateway.lines.of("discovery.changed")).toHaveLength(1);
		client.sendFrame(OPCODE.text, "untouched");
		expect((await client.readFrame()).text).toBe("untouched");
		client.reset();
		await gateway.expectQuiet();
	});
});

test("weight and priority of SRV count", async () => {
	const [a, b, c] = (await backends(3)) as [RawBackend, RawBackend, RawBackend];
	const node = "node.chat.internal";
	const dns = await startDnsServer({
		[NAME]: {
			srv: [
				{ target: node, port: a.port, priority: 1, weight: 3 },
				{ target: node, port: b.port, priority: 1, weight: 1 },
				{ target: node, port: c.port, priority: 2, weight: 100 },
			],
		},
		[node]: { a: ["127.0.0.1"] },
	});
	const gateway = await startTestGateway(yaml(dns));
	await served(gateway, 8);
	expect([a, b, c].map(({ connections }) => connections.length)).toEqual([6, 2, 0]);
	await gateway.expectQuiet();
});

test("A records: addresses with the port of the option, next to what the operator wrote", async () => {
	const [a, b] = (await backends(2)) as [RawBackend, RawBackend];
	const dns = await startDnsServer({ "chat.internal": { a: ["127.0.0.1"] } });
	const gateway = await startTestGateway(
		yaml(dns, { endpoints: `endpoints: ["${b.url}"]`, record: "a", more: `, port: ${a.port}` }),
	);
	expect(await served(gateway, 4)).toEqual(new Set([a.id, b.id]));
	dns.zones = { "chat.internal": { trouble: "NXDOMAIN" } };
	await gateway.waitForLog("discovery.failed");
	expect(await served(gateway, 4)).toEqual(new Set([a.id, b.id]));
	await gateway.expectQuiet();
});

test.each<["serves" | "is refused", string]>([
	["serves", "chat.internal"],
	["is refused", "other.internal"],
])("scheme wss: a backend that %s has a certificate for %s", async (outcome, certified) => {
	const { cert, key } = await certificate([certified]);
	const files = await temporaryFiles({ "ca.pem": cert });
	const backend = await startRawBackend(echoingFrames(), { tls: { cert, key } });
	const dns = await startDnsServer(zonesOf(backend));
	const tls = `tls: { ca: ${JSON.stringify(files["ca.pem"])} }`;
	const gateway = await startTestGateway(yaml(dns, { endpoints: tls, more: ", scheme: wss" }));
	const client = await connectRaw({ port: gateway.port });
	const head = await client.handshake();
	if (outcome === "serves") expect(head.status).toBe(101);
	else {
		await expectRejection(client, head, 502, "CONNECT_FAILED");
		expect((await gateway.waitForLog("ws.reject")).message).toMatch(/TLS: .* for another name/);
	}
	client.reset();
	await gateway.expectQuiet();
});

test("discovered endpoints are probed, and an unknown one waits for its first good probe", async () => {
	const [a, b] = (await backends(2)) as [RawBackend, RawBackend];
	const dns = await startDnsServer(zonesOf(a));
	const check = "health_check: { type: websocket, interval: 1h }";
	const gateway = await startTestGateway(yaml(dns, { endpoints: check }));
	await gateway.waitForLog(({ event, endpoint }) => event === "endpoint.up" && endpoint === a.id);
	dns.zones = zonesOf(a, b);
	await gateway.waitForLog(({ event, endpoint }) => event === "endpoint.up" && endpoint === b.id);
	expect(await served(gateway, 4)).toEqual(new Set([a.id, b.id]));
	await gateway.expectQuiet();
});

test("a reload of the same file is no change, and one of another part keeps what was discovered", async () => {
	const [a] = (await backends(1)) as [RawBackend];
	const dns = await startDnsServer(zonesOf(a));
	const gateway = await startReloadable(yaml(dns));
	const client = await openRaw(gateway.port);
	const questions = () => dns.questions.filter((question) => question === `SRV ${NAME}`).length;
	await until(() => questions() > 2, { what: "some questions" });
	expect((await gateway.handle.reload("api")).result).toBe("unchanged");
	await gateway.change(`${yaml(dns)}\n\t\tlog: { level: debug }`);
	dns.zones = {};
	await gateway.lines.waitFor("discovery.failed");
	(await openRaw(gateway.port)).reset();
	client.sendFrame(OPCODE.text, "untouched");
	expect((await client.readFrame()).text).toBe("untouched");
	client.reset();
});
