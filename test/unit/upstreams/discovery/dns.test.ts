import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { createSource, discoveryOptions } from "../../../../src/upstreams/discovery/index.ts";
import { LookUpFailed } from "../../../../src/upstreams/discovery/source.ts";
import { startDnsServer, type Zone } from "./dns-server.fixtures.ts";

function source(server: string, written: Record<string, unknown> = {}) {
	return createSource(discoveryOptions.parse({ type: "dns", name: "chat.internal", servers: [server], ...written }));
}

const lookUp = (server: string, written?: Record<string, unknown>, timeout = 3_000) =>
	source(server, written).lookUp(timeout, new AbortController().signal);

async function urls(zones: Record<string, Zone>, written: Record<string, unknown>): Promise<string[]> {
	const server = await startDnsServer(zones);
	return (await lookUp(server.address, written)).map(({ url }) => url).sort();
}

describe("addresses", () => {
	it("A records become endpoints with the port of the option", async () => {
		const server = await startDnsServer({ "chat.internal": { a: ["10.0.0.2", "10.0.0.1"], aaaa: ["::1"] } });
		const found = await lookUp(server.address, { port: 8080 });
		expect(found).toHaveLength(2);
		expect(found).toContainEqual({ url: "ws://10.0.0.1:8080", weight: 1, state: "ready", backup: false });
		expect(server.questions).toEqual(["A chat.internal"]);
	});

	it("AAAA records do too", async () => {
		const zones = { "chat.internal": { a: ["10.0.0.1"], aaaa: ["fd00::1", "2001:db8:0:1::2"] } };
		expect(await urls(zones, { record: "aaaa", port: 8080 })).toEqual([
			"ws://[2001:db8:0:1::2]:8080",
			"ws://[fd00::1]:8080",
		]);
	});

	it.each([
		["ws", "ws://10.0.0.1:80"],
		["wss", "wss://10.0.0.1:443"],
	])("without a port it is that of %s", async (scheme, url) => {
		expect(await urls({ "chat.internal": { a: ["10.0.0.1"] } }, { scheme })).toEqual([url]);
	});

	it("an address that is there twice is one endpoint", async () => {
		expect(await urls({ "chat.internal": { a: ["10.0.0.1", "10.0.0.1"] } }, { port: 1 })).toEqual(["ws://10.0.0.1:1"]);
	});
});

describe("services", () => {
	const name = "_ws._tcp.chat.internal";
	const written = { name, record: "srv" };

	it("have their own port and weight, and the lowest priority serves first", async () => {
		const server = await startDnsServer({
			[name]: {
				srv: [
					{ target: "b.chat.internal", port: 7002, priority: 20, weight: 5 },
					{ target: "a.chat.internal", port: 7001, priority: 10, weight: 60 },
					{ target: "c.chat.internal", port: 7003, priority: 10, weight: 0 },
				],
			},
			"a.chat.internal": { a: ["10.0.0.1"] },
			"b.chat.internal": { a: ["10.0.0.2"] },
			"c.chat.internal": { aaaa: ["fd00::3"] },
		});
		const found = await lookUp(server.address, written);
		expect(found).toHaveLength(3);
		for (const endpoint of [
			{ url: "ws://10.0.0.1:7001", weight: 60, state: "ready", backup: false },
			{ url: "ws://10.0.0.2:7002", weight: 5, state: "ready", backup: true },
			{ url: "ws://[fd00::3]:7003", weight: 1, state: "ready", backup: false },
		]) {
			expect(found).toContainEqual(endpoint);
		}
	});

	it("on one host with two ports are two endpoints, and the host is asked for once", async () => {
		const server = await startDnsServer({
			[name]: {
				srv: [
					{ target: "a.chat.internal", port: 1 },
					{ target: "a.chat.internal", port: 2 },
				],
			},
			"a.chat.internal": { a: ["10.0.0.1"] },
		});
		const found = await lookUp(server.address, written);
		expect(found.map(({ url }) => url).sort()).toEqual(["ws://10.0.0.1:1", "ws://10.0.0.1:2"]);
		expect(server.questions).toEqual([`SRV ${name}`, "A a.chat.internal"]);
	});

	it("whose host is gone are left out", async () => {
		const zones = {
			[name]: {
				srv: [
					{ target: "a.chat.internal", port: 1 },
					{ target: "gone.chat.internal", port: 1 },
				],
			},
			"a.chat.internal": { a: ["10.0.0.1"] },
		};
		expect(await urls(zones, written)).toEqual(["ws://10.0.0.1:1"]);
	});

	it("are not taken in part when a host cannot be asked for", async () => {
		const server = await startDnsServer({
			[name]: {
				srv: [
					{ target: "a.chat.internal", port: 1 },
					{ target: "b.chat.internal", port: 1 },
				],
			},
			"a.chat.internal": { a: ["10.0.0.1"] },
			"b.chat.internal": { trouble: "SERVFAIL" },
		});
		await expect(lookUp(server.address, written)).rejects.toThrow(/SERVFAIL/);
	});

	it.each([
		["the target . (RFC 2782: not available here)", [{ target: ".", port: 1 }]],
		["no target with an address", [{ target: "gone.chat.internal", port: 1 }]],
		["no records", []],
	])("with %s are a failure, not an empty pool", async (_, srv) => {
		const server = await startDnsServer({ [name]: { srv } });
		await expect(lookUp(server.address, written)).rejects.toThrow("the answer has no SRV records");
	});
});

describe("no answer", () => {
	it.each([
		["SERVFAIL", /SERVFAIL/],
		["NXDOMAIN", /NXDOMAIN/],
		["REFUSED", /REFUSED/],
	] as const)("%s has a reason in words", async (trouble, reason) => {
		const server = await startDnsServer({ "chat.internal": { trouble } });
		await expect(lookUp(server.address)).rejects.toThrow(reason);
		await expect(lookUp(server.address)).rejects.toBeInstanceOf(LookUpFailed);
	});

	it("an empty one is a failure", async () => {
		const server = await startDnsServer({ "chat.internal": { a: [] } });
		await expect(lookUp(server.address)).rejects.toThrow("the answer has no A records");
	});

	it.each(["silent", "garbage"] as const)("a server that is %s is given up in time", async (trouble) => {
		const server = await startDnsServer({ "chat.internal": { trouble } });
		const startedAt = performance.now();
		await expect(lookUp(server.address, {}, 600)).rejects.toThrow(/in time|cannot be read/);
		expect(performance.now() - startedAt).toBeLessThan(5_000);
		expect(server.questions.length).toBeGreaterThanOrEqual(1);
	});

	it("a server that is not there is one too", async () => {
		const socket = createSocket("udp4");
		socket.bind(0, "127.0.0.1");
		await once(socket, "listening");
		const { port } = socket.address();
		socket.close();
		await expect(lookUp(`127.0.0.1:${port}`, {}, 1_000)).rejects.toThrow(/name server/);
	});

	it("ends at once when it is given up", async () => {
		const server = await startDnsServer({ "chat.internal": { trouble: "silent" } });
		const controller = new AbortController();
		const result = source(server.address).lookUp(60_000, controller.signal);
		controller.abort();
		await expect(result).rejects.toBeInstanceOf(LookUpFailed);
	});
});

describe("discovery", () => {
	it("has the defaults of the reference", () => {
		expect(discoveryOptions.parse({ type: "dns", name: "chat.internal" })).toEqual({
			type: "dns",
			name: "chat.internal",
			record: "a",
			scheme: "ws",
			interval: 10_000,
		});
	});

	it.each<[Record<string, unknown>, string]>([
		[{ name: "" }, "no name"],
		[{ name: "chat..internal" }, "an empty label"],
		[{ name: "chat internal" }, "a space"],
		[{ name: "http://chat.internal" }, "a URL"],
		[{ record: "mx" }, "a record that is not supported"],
		[{ record: "srv", port: 80 }, "a port where the record has one"],
		[{ port: 0 }, "port 0"],
		[{ interval: "off" }, "an interval that is off"],
		[{ interval: 0 }, "no interval"],
		[{ servers: [] }, "no servers"],
		[{ servers: ["ns.internal"] }, "a server by name"],
		[{ scheme: "http" }, "another scheme"],
		[{ ttl: "1s" }, "an unknown key"],
	])("refuses %j: %s", (written) => {
		expect(discoveryOptions.safeParse({ type: "dns", name: "chat.internal", ...written }).success).toBe(false);
	});

	it.each(["10.0.0.53", "10.0.0.53:5353", "::1", "[::1]:5353"])("takes the server %s", (server) => {
		const written = { type: "dns", name: "chat.internal.", servers: [server] };
		expect(discoveryOptions.safeParse(written).success).toBe(true);
	});
});
