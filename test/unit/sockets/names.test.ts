import type { LookupAddress, lookup as systemLookup } from "node:dns";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { Names, type NamesOptions } from "../../../src/sockets/names.ts";
import { parseHosts, parseSearchList, searchedNames } from "../../../src/sockets/system-names.ts";
import { temporaryFiles } from "../../harness/certs.ts";
import { until } from "../../harness/poll.ts";
import { startDnsServer, type Zone } from "../upstreams/discovery/dns-server.fixtures.ts";

interface Written extends NamesOptions {
	zones?: Record<string, Zone>;
	hosts?: string;
	resolv?: string;
}

/** Names with a name server and files of their own. What the system would know is nothing. */
async function start({ zones = {}, hosts = "", resolv = "", ...options }: Written = {}) {
	const dns = await startDnsServer(zones);
	const files = await temporaryFiles({ hosts, "resolv.conf": resolv });
	const told: string[] = [];
	const asked: string[] = [];
	let now = 1_000;
	const system = ((host: string, _options: unknown, done: (error: Error) => void) => {
		asked.push(host);
		setImmediate(done, Object.assign(new Error("none"), { code: "ENOTFOUND" }));
	}) as unknown as typeof systemLookup;
	const names = new Names({
		servers: [dns.address],
		hostsFile: files.hosts,
		resolvConf: files["resolv.conf"],
		system,
		timeout: 1_000,
		clock: () => now,
		notice: (_level, event, { name }) => told.push(`${event} ${name}`),
		...options,
	});
	onTestFinished(() => names.close());
	const find = (host: string, maxAge = 30_000) =>
		new Promise<string[]>((resolve, reject) => {
			names.lookup(maxAge)(host, { all: true }, (error, addresses) => {
				if (error) reject(error);
				else resolve((addresses as LookupAddress[]).map(({ address }) => address));
			});
		});
	const later = (ms: number): void => {
		now += ms;
	};
	return { dns, names, find, later, told, asked, files };
}

const silent: Zone = { trouble: "silent" };

describe("a look-up", () => {
	it("of a silent name keeps no other name waiting, however many there are", async () => {
		const dead = Array.from({ length: 40 }, (_, index) => `dead${index}.test`);
		const { find, dns } = await start({
			zones: { "good.test": { a: ["10.0.0.1"] }, ...Object.fromEntries(dead.map((name) => [name, silent])) },
			hosts: "127.0.0.1 written",
		});
		const failing = dead.map((name) => find(name).catch((error: NodeJS.ErrnoException) => error.code));
		await until(() => dns.questions.length >= 80, { what: "the silent ones to be asked for" });
		const startedAt = performance.now();
		expect(await find("good.test")).toEqual(["10.0.0.1"]);
		expect(await find("written")).toEqual(["127.0.0.1"]);
		expect(await find("localhost")).toContain("127.0.0.1");
		expect(performance.now() - startedAt).toBeLessThan(1_000);
		expect(new Set(await Promise.all(failing))).toEqual(new Set(["EAI_AGAIN"]));
	}, 15_000);

	it("of names that were silent before has places of its own", async () => {
		const zones: Record<string, Zone> = { "good.test": { a: ["10.0.0.1"] } };
		for (let index = 0; index < 100; index++) zones[`dead${index}.test`] = silent;
		const { find, later } = await start({ zones });
		const dead = () => Object.keys(zones).filter((name) => name !== "good.test");
		await Promise.allSettled(dead().map((name) => find(name)));
		later(2_000);
		const again = Promise.allSettled(dead().map((name) => find(name)));
		await pause(100);
		const startedAt = performance.now();
		expect(await find("good.test")).toEqual(["10.0.0.1"]);
		expect(performance.now() - startedAt).toBeLessThan(1_000);
		void again;
	}, 20_000);

	it("is one for all who ask for the same name at once, and its answer is used until it is too old", async () => {
		const { find, dns, later } = await start({ zones: { "chat.test": { a: ["10.0.0.1"] } } });
		await Promise.all(Array.from({ length: 50 }, () => find("Chat.test")));
		later(30_000);
		await find("chat.test");
		expect(dns.questions.filter((question) => question === "A chat.test")).toHaveLength(1);
		later(1);
		dns.zones["chat.test"] = { a: ["10.0.0.2"] };
		expect(await find("chat.test")).toEqual(["10.0.0.2"]);
	});

	it("that is not answered leaves the last good addresses in use: the first waits half a second, the next not at all", async () => {
		const { find, dns, later, told } = await start({ zones: { "chat.test": { a: ["10.0.0.1"] } } });
		await find("chat.test");
		dns.zones["chat.test"] = silent;
		later(60_000);
		const startedAt = performance.now();
		expect(await find("chat.test")).toEqual(["10.0.0.1"]);
		expect(performance.now() - startedAt).toBeLessThan(1_500);
		await until(() => told.length === 1, { timeout: 5_000, what: "the failure" });
		later(60_000);
		const [before, again] = [performance.now(), await find("chat.test")];
		expect([again, performance.now() - before < 200]).toEqual([["10.0.0.1"], true]);
		dns.zones["chat.test"] = { a: ["10.0.0.3"] };
		await until(async () => (await find("chat.test"))[0] === "10.0.0.3", { timeout: 5_000, what: "the new address" });
		expect(told).toEqual(["lookup.failed chat.test", "lookup.recovered chat.test"]);
	}, 20_000);

	it("whose name is gone fails, also with addresses from before, and is asked again after a second", async () => {
		const { find, dns, later, told } = await start({ zones: { "chat.test": { a: ["10.0.0.1"] } } });
		await find("chat.test");
		dns.zones = {};
		later(30_001);
		await expect(find("chat.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
		const questions = dns.questions.length;
		await expect(find("chat.test")).rejects.toMatchObject({ code: "ENOTFOUND" });
		expect(dns.questions).toHaveLength(questions);
		dns.zones = { "chat.test": { a: ["10.0.0.2"] } };
		later(1_001);
		expect(await find("chat.test")).toEqual(["10.0.0.2"]);
		expect(told).toEqual(["lookup.failed chat.test", "lookup.recovered chat.test"]);
	});

	it("asks for both families; one that is not answered does not hold the other up", async () => {
		const { find } = await start({
			zones: { "both.test": { a: ["10.0.0.1"], aaaa: ["2001:db8::1"] }, "six.test": { aaaa: ["2001:db8::1"] } },
		});
		expect((await find("both.test")).toSorted()).toEqual(["10.0.0.1", "2001:db8::1"]);
		expect(await find("six.test")).toEqual(["2001:db8::1"]);
	});

	it("spreads connections over several addresses", async () => {
		const { find } = await start({ zones: { "chat.test": { a: ["10.0.0.1", "10.0.0.2"] } } });
		const firsts = [await find("chat.test"), await find("chat.test"), await find("chat.test")].map(([first]) => first);
		expect(new Set(firsts).size).toBe(2);
		expect(firsts[0]).toBe(firsts[2]);
	});

	it("follows /etc/hosts and the search list, also when they change", async () => {
		const { find, later, files } = await start({
			zones: { "chat.ns.internal": { a: ["10.0.0.1"] } },
			hosts: "10.1.1.1 fixed # comment\n",
			resolv: "search none.internal ns.internal\noptions ndots:2 timeout:1\n",
		});
		expect(await find("fixed")).toEqual(["10.1.1.1"]);
		expect(await find("chat")).toEqual(["10.0.0.1"]);
		await writeFile(files.hosts as string, "10.2.2.22 fixed\n");
		later(30_001);
		expect(await find("fixed")).toEqual(["10.2.2.22"]);
		await rm(join(files.hosts as string));
		later(30_001);
		await expect(find("fixed")).rejects.toMatchObject({ code: "ENOTFOUND" });
	});

	it("asks the system last, for names that no name server has, one at a time", async () => {
		let running = 0;
		let most = 0;
		const system = ((host: string, _options: unknown, done: (error: null, found: LookupAddress[]) => void) => {
			most = Math.max(most, ++running);
			setTimeout(() => {
				running--;
				done(null, [{ address: host === "tv.local" ? "10.9.9.9" : "10.9.9.8", family: 4 }]);
			}, 20);
		}) as unknown as typeof systemLookup;
		const { find } = await start({ system, zones: { "dead.test": silent } });
		expect(await Promise.all([find("tv.local"), find("box.local")])).toEqual([["10.9.9.9"], ["10.9.9.8"]]);
		expect(most).toBe(1);
	});

	it("ends with close", async () => {
		const { find, names, dns } = await start({ zones: { "dead.test": silent } });
		const failing = find("dead.test");
		await until(() => dns.questions.length > 0, { what: "the question" });
		names.close();
		await expect(failing).rejects.toMatchObject({ code: "EAI_AGAIN" });
	});

	it("answers in the forms that sockets ask for", async () => {
		const { names } = await start({ zones: { "both.test": { a: ["10.0.0.1"], aaaa: ["2001:db8::1"] } } });
		const one = (family: 0 | 4 | 6) =>
			new Promise((resolve) => {
				names.lookup()("both.test", { family }, (_error, address, answered) => resolve([address, answered]));
			});
		expect(await one(4)).toEqual(["10.0.0.1", 4]);
		expect(await one(6)).toEqual(["2001:db8::1", 6]);
	});
});

describe("the machine's files", () => {
	it("hosts: several lines for a name, comments, capitals", () => {
		const hosts = parseHosts("127.0.0.1 localhost Me\n::1 localhost # six\nnonsense here\n");
		expect(hosts.get("localhost")?.map(({ address }) => address)).toEqual(["127.0.0.1", "::1"]);
		expect(hosts.get("me")).toEqual([{ address: "127.0.0.1", family: 4 }]);
		expect(hosts.has("here")).toBe(false);
	});

	it("resolv.conf: the last list counts; short names are completed first, long ones last, absolute ones never", () => {
		const list = parseSearchList("domain old.test\nsearch a.test b.test.\noptions ndots:2\n");
		expect(searchedNames("chat", list)).toEqual(["chat.a.test", "chat.b.test", "chat"]);
		expect(searchedNames("chat.x.y", list)).toEqual(["chat.x.y", "chat.x.y.a.test", "chat.x.y.b.test"]);
		expect(searchedNames("chat.", list)).toEqual(["chat"]);
		expect(searchedNames("chat", parseSearchList(""))).toEqual(["chat"]);
	});
});
