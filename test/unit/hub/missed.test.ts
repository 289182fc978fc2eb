import { expect, test } from "vitest";
import { MissedLog } from "../../../src/hub/missed.ts";

function logAt(clock: { now: number }): MissedLog {
	return new MissedLog(() => clock.now);
}

test("the same thing once more is counted and moves to the front", () => {
	const clock = { now: 1 };
	const log = logAt(clock);
	const alice = { id: "c1", user: "alice" };
	log.note(alice, "refused", { topic: "a", error: "PERMISSION_DENIED" });
	clock.now = 2;
	log.note(alice, "unsubscribed", { topic: "b", by: "client" });
	clock.now = 3;
	log.note(alice, "refused", { topic: "a", error: "PERMISSION_DENIED" });
	expect(log.list("alice").map(({ kind, first, time, count }) => [kind, first, time, count])).toEqual([
		["refused", 1, 3, 2],
		["unsubscribed", 2, 2, 1],
	]);
});

test("one user who does something wrong without end takes nothing from the others, and all is bounded", () => {
	const log = logAt({ now: 1 });
	log.note({ id: "c0", user: "bob" }, "disconnected", { code: 1001 });
	for (let i = 0; i < 5_000; i++) log.note({ id: "c1", user: "mallory" }, "refused", { topic: `t${i}` });
	expect(log.list("mallory")).toHaveLength(30);
	expect(log.list("bob")).toHaveLength(1);
	for (let i = 0; i < 5_000; i++) log.note({ id: `c${i}`, user: `user${i}` }, "disconnected", { code: 1001 });
	expect(log.list()).toHaveLength(2_000);
	expect(log.list("bob")).toEqual([]);
});

test("long topics and reasons, which clients and backends choose, are cut", () => {
	const log = logAt({ now: 1 });
	log.note({ id: "c1", user: "mallory" }, "refused", { topic: "t".repeat(60_000), reason: "r".repeat(60_000) });
	expect(log.list("mallory")).toMatchObject([{ topic: "t".repeat(255), reason: "r".repeat(255) }]);
});

test("those without a name are kept apart by connection, and found together", () => {
	const log = logAt({ now: 1 });
	log.note({ id: "c1", user: "" }, "disconnected", { code: 1001 });
	log.note({ id: "c2", user: "" }, "disconnected", { code: 1001 });
	log.note({ id: "c3", user: "alice" }, "disconnected", { code: 1001 });
	expect(
		log
			.list("")
			.map(({ client }) => client)
			.toSorted(),
	).toEqual(["c1", "c2"]);
	expect(log.list("c1")).toEqual([]);
});
