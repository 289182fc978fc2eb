import { expect, it } from "vitest";
import { delivered, startSupervisor } from "./workers.fixtures.ts";

it("a session that one worker learnt is known to another that asks, and to a replacement", async () => {
	const supervisor = startSupervisor();
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	one.upstreams.sessions("app").learn("sid", "127.0.0.1:1");
	const table = two.upstreams.sessions("app");
	expect(table.get("sid")).toBeUndefined();
	await table.recall?.("sid");
	expect(table.get("sid")).toBe("127.0.0.1:1");
	one.kill();
	const replacement = supervisor.start(1).upstreams.sessions("app");
	await replacement.recall?.("sid");
	expect(replacement.get("sid")).toBe("127.0.0.1:1");
	const other = two.upstreams.sessions("other");
	await other.recall?.("sid");
	expect(other.get("sid")).toBeUndefined();
});

it("a question that is faster than the news of the session waits for it", async () => {
	const supervisor = startSupervisor();
	const [one, two, three] = [supervisor.start(1), supervisor.start(2), supervisor.start(3)];
	const tables = [two.upstreams.sessions("app"), three.upstreams.sessions("app")];
	const asked = tables.map((table) => table.recall?.("sid"));
	await delivered();
	one.upstreams.sessions("app").learn("sid", "127.0.0.1:1");
	await Promise.all(asked);
	expect(tables.map((table) => table.get("sid"))).toEqual(["127.0.0.1:1", "127.0.0.1:1"]);
});

it("a session that nobody learnt is given up soon, and is not remembered", async () => {
	const table = startSupervisor().start(1).upstreams.sessions("app");
	const startedAt = performance.now();
	await table.recall?.("sid");
	expect(performance.now() - startedAt).toBeGreaterThan(190);
	expect([table.get("sid"), table.size]).toEqual([undefined, 0]);
});

it("the sessions of an upstream go with it", async () => {
	const supervisor = startSupervisor();
	const [one, two] = [supervisor.start(1), supervisor.start(2)];
	for (const upstream of ["kept", "gone"]) one.upstreams.sessions(upstream).learn("sid", "127.0.0.1:1");
	await delivered();
	supervisor.state.retain(new Set(["kept"]));
	const found = async (upstream: string) => {
		const table = two.upstreams.sessions(upstream);
		await table.recall?.("sid");
		return table.get("sid");
	};
	expect([await found("kept"), await found("gone")]).toEqual(["127.0.0.1:1", undefined]);
});

it("without an answer the request is refused", async () => {
	const one = startSupervisor().start(1);
	one.end.emit("disconnect");
	await expect(one.upstreams.sessions("app").recall?.("sid")).rejects.toMatchObject({ code: "LIMITS_UNAVAILABLE" });
});
