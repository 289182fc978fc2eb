/** The drains of several workers as drains of the gateway. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { DrainConfig } from "../../../../src/config/schema.ts";
import { GatewayEvents } from "../../../../src/gateway/events.ts";
import { GatewayDrains } from "../../../../src/supervisor/admin/drains.ts";
import { drainEvents } from "../../../../src/supervisor/admin/worker-end.ts";
import type { DrainNotice, SupervisorChannel } from "../../../../src/supervisor/contract.ts";
import { until } from "../../../harness/poll.ts";
import { type TestWorker, TestWorkers } from "./workers.fixtures.ts";

const policy: DrainConfig = { spread: 100, timeout: 1_000, close_code: 1012, reason: "" };
const numbers = { spread_ms: 100, timeout_ms: 1_000, close_code: 1012 };

function gateway() {
	const events = new GatewayEvents();
	const log: Record<string, unknown>[] = [];
	events.add({ notice: (_level, event, fields) => void log.push({ event, ...fields }) });
	const workers = new TestWorkers();
	const drains = new GatewayDrains(events, workers);
	onTestFinished(() => drains.close());
	const [first, second] = [workers.start(1), workers.start(2)] as const;
	return { drains, log, first, second };
}

/** As the worker's `Drains` does it; resolves when the supervisor knows. */
async function tell(worker: TestWorker, event: string, fields: Record<string, unknown>): Promise<void> {
	let known: Promise<void> | undefined;
	const channel = {
		open: true,
		tell: (name: "drain", body: DrainNotice) => {
			known = worker.channel.call(name, body);
		},
	};
	drainEvents(channel as unknown as SupervisorChannel, () => new GatewayEvents()).notice("info", event, fields);
	await known;
}

const begins = (worker: TestWorker, drain: number, target: string, connections: number) =>
	tell(worker, "drain.start", { drain, target, connections, ...numbers });
const ends = (worker: TestWorker, drain: number, target: string) =>
	tell(worker, "drain.end", { drain, target, connections: 0, duration_ms: 1 });

describe("a drain that was asked for", () => {
	it("is one with the sum of the workers, and done when all are done", async () => {
		const { drains, log, first, second } = gateway();
		const { id } = drains.start({ target: "route chat", policy });
		await begins(first, 1, "route chat", 3);
		await begins(second, 1, "route chat", 4);
		expect(drains.begun(id)).toMatchObject({ id, state: "running", total: 7, remaining: 7, ...numbers });
		expect(log).toEqual([{ event: "drain.start", drain: id, target: "route chat", connections: 7, ...numbers }]);
		drains.refresh(first.handle, [{ id: 1, remaining: 2 }]);
		expect(drains.list()).toMatchObject([{ id, remaining: 6 }]);
		await ends(first, 1, "route chat");
		expect(drains.list()).toMatchObject([{ id, state: "running", remaining: 4 }]);
		await ends(second, 1, "route chat");
		expect(drains.list()).toMatchObject([{ id, state: "done", total: 7, remaining: 0 }]);
		expect(log.map(({ event }) => event)).toEqual(["drain.start", "drain.end"]);
		expect(log[1]).toMatchObject({ drain: id, connections: 7 });
	});

	it("does not run for ever when a worker dies", async () => {
		const { drains, log, first, second } = gateway();
		const { id } = drains.start({ target: "gateway", policy });
		await begins(first, 1, "gateway", 3);
		await begins(second, 1, "gateway", 4);
		drains.begun(id);
		await ends(first, 1, "gateway");
		second.kill();
		expect(drains.list()).toMatchObject([{ id, state: "done", remaining: 0 }]);
		expect(log.map(({ event }) => event)).toEqual(["drain.start", "drain.end"]);
	});

	it("is done when no worker has begun", () => {
		const { drains } = gateway();
		const { id } = drains.start({ target: "gateway", policy });
		expect(drains.begun(id)).toMatchObject({ state: "done", total: 0 });
	});

	it("is another one when the same is asked for again", async () => {
		const { drains, first } = gateway();
		const one = drains.start({ target: "gateway", policy });
		await begins(first, 1, "gateway", 3);
		drains.begun(one.id);
		const two = drains.start({ target: "gateway", policy });
		await begins(first, 2, "gateway", 3);
		expect(drains.begun(two.id)).toMatchObject({ id: two.id, total: 3 });
		expect(drains.list().map(({ total }) => total)).toEqual([3, 3]);
	});
});

describe("a drain that follows from a reload, in each worker by itself", () => {
	it("is one, and is in the log once", async () => {
		const { drains, log, first, second } = gateway();
		await begins(first, 5, "route chat (changed by a reload)", 1);
		await begins(second, 9, "route chat (changed by a reload)", 2);
		await begins(second, 10, "route news (changed by a reload)", 8);
		expect(drains.list().map(({ target, total }) => [target, total])).toEqual([
			["route chat (changed by a reload)", 3],
			["route news (changed by a reload)", 8],
		]);
		await until(() => log.length === 2, { what: "both in the log" });
		expect(log.map(({ connections }) => connections)).toEqual([3, 8]);
	});

	it("is in the log also when the gateway stops right after it", async () => {
		const { drains, log, first } = gateway();
		await begins(first, 1, "gateway", 0);
		await ends(first, 1, "gateway");
		drains.close();
		expect(log.map(({ event }) => event)).toEqual(["drain.start", "drain.end"]);
	});
});

it("lists the last twenty that ended", async () => {
	const { drains, first } = gateway();
	for (let i = 1; i <= 25; i++) {
		const { id } = drains.start({ target: `route ${i}`, policy });
		await begins(first, i, `route ${i}`, 1);
		drains.begun(id);
		await ends(first, i, `route ${i}`);
	}
	expect(drains.list().map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, index) => index + 6));
});

it("is in the worker's own log when the supervisor is gone", () => {
	const { first } = gateway();
	const own = new GatewayEvents();
	const log: string[] = [];
	own.add({ notice: (_level, event) => void log.push(event) });
	const events = drainEvents({ open: false, tell: first.channel.tell }, () => own);
	events.notice("info", "drain.start", {});
	expect(log).toEqual(["drain.start"]);
});
