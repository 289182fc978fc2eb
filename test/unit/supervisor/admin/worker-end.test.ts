/** What a worker does for the supervisor's admin port. */
import { expect, it, onTestFinished } from "vitest";
import { GatewayEvents } from "../../../../src/gateway/events.ts";
import type { Gateway } from "../../../../src/gateway/gateway.ts";
import { serveSupervisor } from "../../../../src/supervisor/admin/worker-end.ts";
import type { Steering } from "../../../../src/supervisor/contract.ts";
import { Metrics } from "../../../../src/telemetry/metrics.ts";
import { TestWorkers } from "./workers.fixtures.ts";

const NOTHING: Steering = { endpoints: [], revocations: [], following: false };

/** A worker without connections; `revoked` are the subjects that it was told to refuse, in order. */
function worker(steering: () => Steering | Promise<Steering>) {
	const revoked: (string | undefined)[] = [];
	const state: { override?: unknown } = {};
	const gateway = {
		events: new GatewayEvents(),
		snapshot: {
			config: { routes: [] },
			upstreams: new Map([["pool", { name: "pool", endpoints: [{ id: "a:1", state }] }]]),
		},
		connections: { list: () => [], get: () => undefined },
		policies: {
			now: () => 0,
			revocations: { add: ({ sub }: { sub?: string }) => void revoked.push(sub), list: () => [] },
		},
	} as unknown as Gateway;
	const metrics = new Metrics({
		source: {
			connections: () => [],
			traffic: () => [],
			endpoints: () => [],
			draining: () => 0,
			certificates: () => [],
			logLinesLost: () => 0,
			workers: () => ({ serving: 1, configured: 1 }),
			limiters: () => [],
			hubRules: () => [],
			hubConnections: () => [],
		},
		nodeMetrics: false,
	});
	onTestFinished(() => metrics.stop());
	const { handle, channel } = new TestWorkers().start(1);
	handle.channel.handle("steering", steering);
	return { supervisor: handle.channel, served: serveSupervisor(channel, gateway, metrics), revoked, state };
}

const call = { params: {}, query: {}, body: {} };

it("takes over what operators changed before it is ready, and leaves out what is not in its configuration", async () => {
	const override = { weight: { value: 5, written: 1 } };
	const { served, revoked, state } = worker(() => ({
		...NOTHING,
		endpoints: [
			{ upstream: "pool", endpoint: "a:1", override },
			{ upstream: "pool", endpoint: "gone:1", override },
		],
		revocations: [{ sub: "ada", until: 5 }],
	}));
	await served;
	expect([state.override, revoked]).toEqual([override, ["ada"]]);
});

it("makes a change that comes early only after that", async () => {
	let answer = (_: Steering): void => undefined;
	const { supervisor, served, revoked } = worker(() => new Promise((resolve) => (answer = resolve)));
	const change = supervisor.call("revoke", { sub: "eve", until: 9 });
	await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
	expect(revoked).toEqual([]);
	answer({ ...NOTHING, revocations: [{ sub: "ada", until: 5 }] });
	expect(await change).toEqual({ closed: 0, until: 9 });
	await served;
	expect(revoked).toEqual(["ada", "eve"]);
});

it("does the operations of the API, answers their errors, and knows no others", async () => {
	const { supervisor, served } = worker(() => NOTHING);
	await served;
	expect(await supervisor.call("api", { ...call, operation: "GET /api/v1/connections" })).toMatchObject({
		status: 200,
		body: { connections: [], total: 0 },
	});
	const unknown = { ...call, params: { id: "x" }, operation: "GET /api/v1/connections/{id}" };
	expect(await supervisor.call("api", unknown)).toMatchObject({ status: 404, body: { error: { code: "NOT_FOUND" } } });
	await expect(supervisor.call("api", { ...call, operation: "GET /none" })).rejects.toThrow("no such operation");
});

it("fails when the supervisor cannot say how things are: it must not listen then", async () => {
	const { served } = worker(() => {
		throw new Error("busy");
	});
	await expect(served).rejects.toThrow("busy");
});
