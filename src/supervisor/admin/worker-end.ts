/** What a worker does for the supervisor's admin port. */

import { ApiError } from "../../admin/api/api-error.ts";
import { EventStreams } from "../../admin/api/events.ts";
import type { Answer, Run } from "../../admin/api/operation.ts";
import { AdminApi } from "../../admin-api.ts";
import type { DrainEvents } from "../../gateway/drains.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import { revoke } from "../../gateway/revoke.ts";
import type { MetricObject } from "../../telemetry/merge.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { ChannelError } from "../channel.ts";
import type { ApiCall, DrainNotice, Steering, SupervisorChannel } from "../contract.ts";
import { EventRelay } from "./relay.ts";

const FAREWELL_MS = 1_000;

/**
 * Answers the supervisor from here on.
 * @returns when what operators have changed is in force here: before this the worker must not listen
 * @throws ChannelError when the supervisor is gone or hangs
 */
export async function serveSupervisor(
	channel: SupervisorChannel,
	gateway: Gateway,
	{ registry }: Pick<Metrics, "registry">,
): Promise<void> {
	const api = new AdminApi(gateway.events);
	const relay = new EventRelay(api.feed, channel);
	const runs = new Map(
		api
			.operations({
				gateway,
				reload: () => Promise.reject(new Error("the supervisor reloads")),
				revocations: {
					revoke: (target) => revoke(gateway, target),
					list: () => gateway.policies.revocations.list(),
				},
				streams: new EventStreams(api.feed),
				// The supervisor says it once for all.
				endpointChanged: () => undefined,
			})
			.map(({ spec: { method, path }, run }) => [`${method} ${path}`, run]),
	);
	const steered = channel.call("steering", undefined).then((steering) => {
		steer(gateway, steering);
		if (steering.following) relay.follow(true);
	});
	// What is changed after the supervisor's answer must not be overtaken by it.
	channel.handle("api", async (call) => {
		await steered;
		return answer(runs.get(call.operation), call);
	});
	channel.handle("revoke", async (target) => {
		await steered;
		return revoke(gateway, target);
	});
	channel.handle("metrics", () => report(registry));
	channel.handle("follow", (on) => relay.follow(on));
	await steered;
}

/** To be called before the process ends: its last counts, behind all that it has told before. */
export async function sayFarewell(channel: SupervisorChannel, { registry }: Pick<Metrics, "registry">): Promise<void> {
	try {
		await channel.call("farewell", await report(registry), FAREWELL_MS);
	} catch (error) {
		// Without the supervisor nobody sums them up.
		if (!(error instanceof ChannelError)) throw error;
	}
}

async function report(registry: Metrics["registry"]): Promise<MetricObject[]> {
	return (await registry.getMetricsAsJSON()) as unknown as MetricObject[];
}

function steer({ snapshot, policies }: Gateway, { endpoints, revocations }: Steering): void {
	for (const { upstream, endpoint, override } of endpoints) {
		const found = snapshot.upstreams.get(upstream)?.endpoints.find(({ id }) => id === endpoint);
		if (found) found.state.override = override;
	}
	for (const { until, ...target } of revocations) policies.revocations.add(target, until);
}

async function answer(run: Run | undefined, { operation, ...call }: ApiCall): Promise<Answer> {
	if (run === undefined) throw new Error(`${operation}: there is no such operation`);
	try {
		return await run(call);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		return { status: error.status, body: { error: { code: error.code, message: error.message } } };
	}
}

/**
 * Tells the supervisor when drains begin and end.
 * @param own the worker's log, for when there is no supervisor any more
 */
export function drainEvents(channel: Pick<SupervisorChannel, "open" | "tell">, own: () => DrainEvents): DrainEvents {
	return {
		notice: (level, event, fields) => {
			if (channel.open) channel.tell("drain", { event, ...fields } as unknown as DrainNotice);
			else own().notice(level, event, fields);
		},
	};
}
