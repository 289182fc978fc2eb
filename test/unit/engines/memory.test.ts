import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryEngine } from "../../../src/engines/memory/engine.ts";
import type { ClientInfo, Draft, EngineListener, Publication } from "../../../src/hub/engine.ts";

const HISTORY = { size: 3, ttl: 1_000 };

function draft(text: string): Draft {
	return { data: Buffer.from(text), json: true };
}

function client(id: string, user = "u"): ClientInfo {
	return { user, client: id };
}

/** A process that notes what it is told. */
function noting(): EngineListener & { readonly notes: string[]; readonly tells: string[] } {
	const notes: string[] = [];
	const tells: string[] = [];
	return {
		notes,
		tells,
		published: (topic, { data, offset }) => notes.push(`${topic} ${offset} ${Buffer.from(data)}`),
		joined: (topic, info) => notes.push(`${topic} + ${info.client}`),
		left: (topic, info) => notes.push(`${topic} - ${info.client}`),
		counted: () => new Map([["t", { subscribers: 2, rate: 2 }]]),
		ordered: ({ kind, user }) => notes.push(`${kind} ${user}`),
		occupancy: (topic, occupied) => tells.push(`${topic} ${occupied ? "occupied" : "vacated"}`),
	};
}

function engineAt(clock: { now: number }): MemoryEngine {
	const engine = new MemoryEngine(() => clock.now);
	onTestFinished(() => engine.close());
	return engine;
}

function offsets(publications: readonly Publication[]): number[] {
	return publications.map(({ offset }) => offset);
}

describe("publications", () => {
	test("go to the processes that follow the topic, in one order", async () => {
		const engine = engineAt({ now: 1 });
		const [one, two, three] = [noting(), noting(), noting()];
		const [a, b, c] = [engine.attach(one), engine.attach(two), engine.attach(three)];
		await Promise.all([a.subscribe("t"), b.subscribe("t"), c.subscribe("other")]);
		await Promise.all([
			a.publish("t", draft("1"), { history: HISTORY }),
			b.publish("t", draft("2"), { history: HISTORY }),
		]);
		expect(one.notes).toEqual(["t 1 1", "t 2 2"]);
		expect(two.notes).toEqual(one.notes);
		expect(three.notes).toEqual([]);
		b.unsubscribe("t");
		await c.publish("t", draft("3"), { history: HISTORY });
		expect(two.notes).toHaveLength(2);
		expect(await c.topics()).toEqual(new Map([["t", { subscribers: 6, rate: 2 }]]));
	});

	test("have no offset where nothing is kept", async () => {
		const node = engineAt({ now: 1 }).attach(noting());
		expect(await node.publish("t", draft("1"), {})).toEqual({ epoch: "", offset: 0 });
	});

	test("with the same key within five minutes are one", async () => {
		const clock = { now: 1 };
		const heard = noting();
		const node = engineAt(clock).attach(heard);
		await node.subscribe("t");
		const options = { history: HISTORY, idempotencyKey: "k" };
		const first = await node.publish("t", draft("1"), options);
		expect(await node.publish("t", draft("1"), options)).toEqual(first);
		clock.now += 5 * 60_000 + 1;
		await node.publish("t", draft("1"), options);
		expect(heard.notes).toEqual(["t 1 1", "t 2 1"]);
	});
});

describe("history", () => {
	test("keeps the last ones, and is read forwards and backwards from a position", async () => {
		const node = engineAt({ now: 1 }).attach(noting());
		for (const text of ["1", "2", "3", "4", "5"]) await node.publish("t", draft(text), { history: HISTORY });
		const all = await node.history("t", {});
		const { epoch } = all;
		expect(offsets(all.publications)).toEqual([3, 4, 5]);
		expect(all.offset).toBe(5);
		const read = async (filter: Parameters<typeof node.history>[1]): Promise<number[]> =>
			offsets((await node.history("t", filter)).publications);
		expect(await read({ reverse: true })).toEqual([5, 4, 3]);
		expect(await read({ limit: 2 })).toEqual([3, 4]);
		expect(await read({ limit: 0 })).toEqual([]);
		expect(await read({ since: { epoch, offset: 3 } })).toEqual([4, 5]);
		expect(await read({ since: { epoch, offset: 5 }, reverse: true, limit: 1 })).toEqual([4]);
	});

	test("is over after its time, and the position goes on", async () => {
		const clock = { now: 1 };
		const node = engineAt(clock).attach(noting());
		const { epoch } = await node.publish("t", draft("1"), { history: HISTORY });
		clock.now += 1_000;
		expect(await node.history("t", {})).toEqual({ epoch, offset: 1, publications: [] });
		await node.publish("t", draft("2"), { history: HISTORY });
		expect(offsets((await node.history("t", {})).publications)).toEqual([2]);
		await node.removeHistory("t");
		expect(await node.history("t", {})).toEqual({ epoch, offset: 2, publications: [] });
	});

	test.each([1, 2, 5])("follows a size that was changed to %i", async (size) => {
		const node = engineAt({ now: 1 }).attach(noting());
		for (const text of ["1", "2", "3", "4"]) await node.publish("t", draft(text), { history: HISTORY });
		await node.publish("t", draft("5"), { history: { size, ttl: 1_000 } });
		const kept = offsets((await node.history("t", {})).publications);
		expect(kept).toEqual([1, 2, 3, 4, 5].slice(-Math.min(size, 4)));
	});
});

describe("presence", () => {
	test("tells those who follow the topic who comes and goes, once each", async () => {
		const heard = noting();
		const engine = engineAt({ now: 1 });
		const node = engine.attach(heard);
		await node.subscribe("t");
		node.enter("t", client("a"));
		node.enter("t", client("a"));
		node.enter("t", client("b"));
		expect([...(await node.presence("t")).keys()]).toEqual(["a", "b"]);
		node.leave("t", "a");
		node.leave("t", "a");
		expect(heard.notes).toEqual(["t + a", "t + b", "t - a"]);
	});

	test("of a process that is gone is gone, and the others are told", async () => {
		const heard = noting();
		const engine = engineAt({ now: 1 });
		const [stays, goes] = [engine.attach(heard), engine.attach(noting())];
		await Promise.all([stays.subscribe("t"), goes.subscribe("t"), goes.subscribe("x")]);
		stays.enter("t", client("a"));
		goes.enter("t", client("b"));
		engine.detach(goes);
		expect(heard.notes).toEqual(["t + a", "t + b", "t - b"]);
		expect([...(await stays.presence("t")).keys()]).toEqual(["a"]);
		expect(await stays.topics()).toEqual(new Map([["t", { subscribers: 2, rate: 2 }]]));
	});
});

test("an order reaches every process", async () => {
	const [one, two] = [noting(), noting()];
	const engine = engineAt({ now: 1 });
	const node = engine.attach(one);
	engine.attach(two);
	await node.order({ kind: "disconnect", user: "7" });
	expect([one.notes, two.notes]).toEqual([["disconnect 7"], ["disconnect 7"]]);
});

describe("occupancy", () => {
	test("is told once, whoever follows the topic first and last", async () => {
		const engine = engineAt({ now: 1 });
		const [a, b] = [noting(), noting()];
		const [one, two] = [engine.attach(a), engine.attach(b)];
		await one.subscribe("t");
		await two.subscribe("t");
		one.unsubscribe("t");
		expect([a.tells, b.tells]).toEqual([["t occupied"], []]);
		two.unsubscribe("t");
		expect([a.tells, b.tells]).toEqual([["t occupied"], ["t vacated"]]);
	});

	test("is told by another process when the last one that followed is gone", async () => {
		const engine = engineAt({ now: 1 });
		const [a, b] = [noting(), noting()];
		const goes = engine.attach(a);
		engine.attach(b);
		await goes.subscribe("t");
		engine.detach(goes);
		expect([a.tells, b.tells]).toEqual([["t occupied"], ["t vacated"]]);
	});
});
