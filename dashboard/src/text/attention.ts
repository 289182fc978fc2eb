/** What the person on call should look at, worked out from what the gateway tells. */
import type { Activity, CloseCount, Drain, Endpoint, Interval, Rejection, Upstream } from "../api/model.ts";
import { rejectionTotals } from "../charts/bins.ts";
import { formatCount, formatDuration, plural } from "./format.ts";
import { causeOf } from "./refusals.ts";
import { unavailableName } from "./words.ts";

export type Level = "bad" | "warn" | "info";

export interface Attention {
	readonly level: Level;
	readonly text: string;
	/** Where more is to be seen: a hash of this page. */
	readonly href: string;
}

export interface Facts {
	readonly activity: Activity;
	/** The past hour; the activity's own may be the last few only. */
	readonly intervals: readonly Interval[];
	/** The latest of each code and route. */
	readonly rejections: readonly Rejection[];
	readonly upstreams: readonly Upstream[];
	readonly drains: readonly Drain[];
	/** ms since the epoch by listener and server name. */
	readonly certificates: readonly { readonly name: string; readonly expires: number }[];
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Certificates that are older than this are worth a word. */
const EXPIRES_SOON = 14 * DAY;
/** Below this many in a minute, a share says nothing. */
const MANY = 10;
const MANY_REJECTED = 0.1;

const ORDER: readonly Level[] = ["bad", "warn", "info"];

/** The worst first. */
export function attention(facts: Facts): Attention[] {
	const found = [
		...gatewayNotes(facts),
		...facts.upstreams.flatMap((upstream) => [...upstreamNotes(upstream)]),
		...recentNotes(facts),
		...drainNotes(facts.drains),
		...certificateNotes(facts),
	];
	return found.sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
}

function* gatewayNotes({ activity }: Facts): Generator<Attention> {
	if (activity.stopping) yield { level: "warn", text: "The gateway is shutting down.", href: "#/drains" };
	const { last_reload: reload, workers } = activity;
	const missing = workers.configured - workers.serving;
	if (missing > 0 && !activity.stopping) {
		const text = `${formatCount(missing)} of ${plural(workers.configured, "worker")} do not serve; the log says why.`;
		yield { level: workers.serving === 0 ? "bad" : "warn", text, href: "#/events" };
	}
	if (reload?.result === "rejected") {
		const more = reload.problems.length > 1 ? ` and ${reload.problems.length - 1} more` : "";
		yield {
			level: "bad",
			text: `The configuration on disk was rejected; the running one stays. ${reload.problems[0] ?? ""}${more}`.trim(),
			href: "#/config",
		};
	}
}

function* upstreamNotes({ name, endpoints }: Upstream): Generator<Attention> {
	const href = `#/routes?upstream=${encodeURIComponent(name)}`;
	if (!endpoints.some(({ available }) => available)) {
		const text = endpoints.length === 0 ? "has no endpoint" : "no endpoint takes new clients";
		yield { level: "bad", text: `Upstream ${name}: ${text}.`, href };
	}
	for (const endpoint of endpoints) {
		const note = endpointNote(endpoint);
		if (note) yield { level: note.level, text: `${name}, endpoint ${endpoint.id}: ${note.text}`, href };
	}
}

function endpointNote(endpoint: Endpoint): { level: Level; text: string } | undefined {
	if (endpoint.state !== "ready") {
		const open = endpoint.active > 0 ? `, ${plural(endpoint.active, "connection")} still open` : "";
		return { level: "info", text: `${unavailableName(endpoint.state)}${open}.` };
	}
	if (endpoint.health === "unhealthy") {
		return { level: "bad", text: sentence(`unhealthy${endpoint.health_reason ? `: ${endpoint.health_reason}` : ""}`) };
	}
	if (endpoint.health === "unknown" && endpoint.health_reason !== undefined) {
		return {
			level: "warn",
			text: `${sentence(endpoint.health_reason)} The health check may be mistaken: see its host, path and headers.`,
		};
	}
	if (endpoint.failing) return { level: "bad", text: sentence(`its last attempts failed: ${endpoint.failing_reason}`) };
	if (endpoint.breaker === "open") return { level: "bad", text: "circuit breaker open." };
	if (endpoint.ejected) {
		return { level: "warn", text: `ejected for another ${formatDuration(endpoint.ejected_ms ?? 0)}.` };
	}
	if (endpoint.breaker === "half_open") return { level: "warn", text: "circuit breaker tries it again." };
	if (!endpoint.available && endpoint.unavailable_reason !== "weight 0") {
		return { level: "warn", text: sentence(unavailableName(endpoint.unavailable_reason)) };
	}
	return undefined;
}

/** The last minute's refusals by route and cause, and the connections that backends lost. */
function* recentNotes({ activity, intervals, rejections }: Facts): Generator<Attention> {
	const since = activity.time - MINUTE;
	const recent = intervals.filter(({ start }) => start > since);
	yield* refusalNotes(recent, since, rejections);
	const lost = recent.flatMap(({ closed }) => closed);
	const withWorkers = sum(lost.filter(({ termination }) => termination === "worker_lost").map(({ count }) => count));
	if (withWorkers > 0) {
		const text = `${plural(withWorkers, "connection")} lost with a worker process of the gateway in the last minute; worker.exit in the log says why.`;
		yield { level: "bad", text, href: "#/overview?at=closes" };
	}
	for (const { route, endpoint, count } of lostByBackend(lost)) {
		const where = [route && `route ${route}`, endpoint && `endpoint ${endpoint}`].filter(Boolean).join(", ");
		yield {
			level: "warn",
			text: `${plural(count, "connection")} lost by a backend in the last minute, without a Close frame${where && `: ${where}`}.`,
			href: "#/overview?at=closes",
		};
	}
}

interface Refusals {
	readonly route: string | undefined;
	readonly codes: string[];
	count: number;
}

/** A failure behind the gateway is a problem from the first one on; what clients do wrong is worth a word when it is much. */
function* refusalNotes(
	recent: readonly Interval[],
	since: number,
	rejections: readonly Rejection[],
): Generator<Attention> {
	const opened = sum(recent.map((each) => each.opened));
	const byCause = new Map<string, Refusals>();
	for (const { code, route, count } of rejectionTotals(recent, since)) {
		const key = `${causeOf(code).text} ${route ?? ""}`;
		const known = byCause.get(key) ?? { route, codes: [], count: 0 };
		known.codes.push(code);
		known.count += count;
		byCause.set(key, known);
	}
	const all = opened + sum([...byCause.values()].map(({ count }) => count));
	for (const { route, codes, count } of byCause.values()) {
		const { text, fault } = causeOf(codes[0] as string);
		if (fault === "nobody") continue;
		const share = count / all;
		if (fault === "client" && (count < MANY || share < MANY_REJECTED)) continue;
		const last = rejections.find((each) => each.code === codes[0] && each.route === route);
		yield {
			level: fault === "client" || count < MANY ? "warn" : "bad",
			text: sentence(
				[
					`${route === undefined ? "" : `Route ${route}: `}${plural(count, "handshake")} refused in the last minute`,
					`${text} (${codes.join(", ")})`,
					...(share >= MANY_REJECTED && opened > 0 ? [`${Math.round(100 * share)} % of all`] : []),
					...(last ? [exampleOf(last, fault)] : []),
				].join(", "),
			),
			href: "#/overview?at=rejections",
		};
	}
}

/** Of what clients do, who and where; of what fails behind the gateway, how. */
function exampleOf({ client_ip, host = "", path = "", endpoint, message }: Rejection, fault: string): string {
	if (fault === "client") return `the last one from ${client_ip || "a unix socket"} to ${host}${path}`;
	return `the last one${endpoint ? ` at ${endpoint}` : ""}: ${message ?? "see the log"}`;
}

/** By route and endpoint, the most first. */
function lostByBackend(closes: readonly CloseCount[]): CloseCount[] {
	const lost = new Map<string, CloseCount>();
	for (const close of closes) {
		if (close.termination !== "backend_drop") continue;
		const key = `${close.route ?? ""} ${close.endpoint ?? ""}`;
		lost.set(key, { ...close, count: close.count + (lost.get(key)?.count ?? 0) });
	}
	return [...lost.values()].sort((a, b) => b.count - a.count);
}

function* drainNotes(drains: readonly Drain[]): Generator<Attention> {
	for (const { state, target, remaining, total } of drains) {
		if (state !== "running") continue;
		const progress = `${formatCount(total - remaining)} of ${plural(total, "connection")} closed`;
		yield { level: "info", text: `Drain of ${target}: ${progress}.`, href: "#/drains" };
	}
}

function* certificateNotes({ activity, certificates }: Facts): Generator<Attention> {
	for (const { name, expires } of certificates) {
		const left = expires - activity.time;
		if (left > EXPIRES_SOON) continue;
		const when = left <= 0 ? "has expired" : `expires in ${formatDuration(left)}`;
		yield { level: left < DAY ? "bad" : "warn", text: `The certificate for ${name} ${when}.`, href: "#/config" };
	}
}

/** The gateway's words may be a question. */
function sentence(text: string): string {
	return /[.?!]$/.test(text) ? text : `${text}.`;
}

function sum(numbers: readonly number[]): number {
	return numbers.reduce((total, number) => total + number, 0);
}
