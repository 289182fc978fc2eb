/** `activity`: what happens now and what happened in the past hour, in one small answer for whoever asks every few seconds. */
import { z } from "zod";
import type { Connections } from "../../gateway/connections.ts";
import { type ActivityLog, INTERVAL_MS, type Interval, type LastRejection } from "./activity-log.ts";
import { type ApiGateway, missingWorkers } from "./api-gateway.ts";
import { bounded } from "./connection-view.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";
import { queryInteger } from "./validate.ts";

const count = z.int().nonnegative();
const time = z.int().nonnegative().meta({ description: "ms since the epoch" });
const text = z.string().optional();

const activityQuery = z.strictObject({
	since: queryInteger(0, Number.MAX_SAFE_INTEGER).optional().meta({
		description: "Only intervals and rejections from this time on, ms since the epoch: for the next question.",
	}),
});

const intervalSchema = z
	.strictObject({
		start: time,
		opened: count,
		closed: z.array(
			z.strictObject({
				close_code: count.meta({ description: "As in the log; 0 = others, when there were too many different ones." }),
				initiator: z.enum(["client", "backend", "gateway"]),
				termination: z.string(),
				route: text.meta({ description: "Only of connections that a backend lost." }),
				endpoint: text.meta({ description: "Only of connections that a backend lost." }),
				count,
			}),
		),
		rejected: z.array(
			z.strictObject({
				code: z.string().meta({ description: "As in the log, e.g. NO_ROUTE." }),
				route: text,
				count,
			}),
		),
	})
	.meta({ id: "Interval", description: "Connections that opened, closed and were refused in a short time." });

const rejectionSchema = z
	.strictObject({
		time,
		code: z.string(),
		status: z.int().meta({ description: "What the client was told." }),
		message: text.meta({ description: "What went wrong in words." }),
		client_ip: z.string(),
		route: text,
		upstream: text,
		endpoint: text,
		host: text,
		path: text.meta({ description: "Without the query." }),
		origin: text,
	})
	.meta({ id: "Rejection", description: "A refused opening handshake." });

const trafficSchema = z
	.strictObject({ messages_in: count, messages_out: count, bytes_in: count, bytes_out: count })
	.meta({ id: "Traffic", description: "Since the process started; in = from clients." });

export const activitySchema = z
	.strictObject({
		time,
		stopping: z.boolean().meta({ description: "The gateway is shutting down." }),
		connections: count.meta({ description: "Open now." }),
		handshakes: count.meta({ description: "Under way now." }),
		traffic: trafficSchema,
		interval_ms: z.int().positive().meta({ description: "Length of an interval." }),
		intervals: z.array(intervalSchema).meta({
			description: "Oldest first, for an hour; those in which nothing happened are left out. The last one still grows.",
		}),
		last_rejections: z.array(rejectionSchema).meta({ description: "The latest of each code and route." }),
		last_reload: z
			.strictObject({
				time,
				result: z.enum(["success", "rejected"]),
				trigger: z.string().meta({ description: "file, signal or api" }),
				problems: z.array(z.string()).meta({ description: "`F:line:col: key.path: message`, warnings too." }),
			})
			.nullable()
			.meta({ description: "The last one that changed something, or was to; null before it." }),
		workers: z
			.strictObject({ serving: count, configured: count })
			.meta({ description: "Processes that take new connections now, and that there are to be." }),
		...missingWorkers,
	})
	.meta({ id: "Activity" });

export type Activity = z.output<typeof activitySchema>;

/** @param now ms since the epoch */
export function activityRoutes(gateway: ApiGateway, log: ActivityLog, now: () => number): ApiRoute[] {
	return [
		operation({
			method: "GET",
			path: "/api/v1/activity",
			summary: "What happens now, and what happened in the past hour",
			description: "Made for being asked every few seconds: counters that are kept anyway, and sums over what is open.",
			query: activityQuery,
			answers: { 200: { description: "Now, and the past hour in intervals.", schema: activitySchema } },
			handle: ({ query: { since = 0 } }) => ok(activity(gateway, log, now(), since)),
		}),
	];
}

function activity(
	{ stopping, connections, handshakes }: ApiGateway,
	log: ActivityLog,
	now: number,
	since: number,
): Activity {
	const { lastReload } = log;
	return {
		time: now,
		stopping,
		connections: connections.size,
		handshakes: handshakes.size,
		traffic: traffic(connections),
		interval_ms: INTERVAL_MS,
		intervals: log.intervals(since).map(intervalView),
		last_rejections: log.rejections(since).map(rejectionView),
		last_reload: lastReload ? { ...lastReload, problems: [...lastReload.problems] } : null,
		workers: { serving: 1, configured: 1 },
	};
}

/** One addition for each open connection: cheap enough for tens of thousands. */
function traffic(connections: Connections): Activity["traffic"] {
	const sum = { messages_in: 0, messages_out: 0, bytes_in: 0, bytes_out: 0 };
	for (const { clientToBackend, backendToClient } of connections.traffic.totals([])) {
		sum.messages_in += clientToBackend.text + clientToBackend.binary;
		sum.messages_out += backendToClient.text + backendToClient.binary;
		sum.bytes_in += clientToBackend.bytes;
		sum.bytes_out += backendToClient.bytes;
	}
	for (const { messagesIn, messagesOut, bytesIn, bytesOut } of connections.tunnels()) {
		sum.messages_in += messagesIn;
		sum.messages_out += messagesOut;
		sum.bytes_in += bytesIn;
		sum.bytes_out += bytesOut;
	}
	return sum;
}

function intervalView({ start, opened, closed, rejected }: Interval): Activity["intervals"][number] {
	return { start, opened, closed: [...closed.values()], rejected: [...rejected.values()] };
}

function rejectionView({ time, facts, report }: LastRejection): Activity["last_rejections"][number] {
	return {
		time,
		code: report.code,
		status: report.status,
		message: bounded(report.message),
		client_ip: facts.client_ip,
		route: facts.route,
		upstream: facts.upstream,
		endpoint: facts.endpoint,
		host: bounded(facts.host),
		path: bounded(facts.path),
		origin: bounded(facts.origin),
	};
}
