/** What the person on call should look at, worked out from what the gateway tells. */
import type { Activity, CloseCount, Drain, Endpoint, Interval, Upstream } from "../api/model.ts";
import { formatCount, formatDuration, plural } from "./format.ts";
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

/** The last minute's rejections and lost connections. */
function* recentNotes({ activity, intervals }: Facts): Generator<Attention> {
	const recent = intervals.filter(({ start }) => start > activity.time - MINUTE);
	const opened = sum(recent.map((each) => each.opened));
	const rejected = sum(recent.flatMap((each) => each.rejected.map(({ count }) => count)));
	if (rejected >= MANY && rejected / (opened + rejected) >= MANY_REJECTED) {
		const share = Math.round((100 * rejected) / (opened + rejected));
		yield {
			level: "warn",
			text: `${formatCount(rejected)} handshakes refused in the last minute, ${share} % of all.`,
			href: "#/overview?at=rejections",
		};
	}
	const closes = recent.flatMap((each) => each.closed);
	const lost = (test: (close: CloseCount) => boolean) => sum(closes.filter(test).map(({ count }) => count));
	const byBackend = lost(({ termination }) => termination === "backend_drop");
	if (byBackend > 0) {
		yield {
			level: "warn",
			text: `${plural(byBackend, "connection")} lost by a backend in the last minute, without a Close frame.`,
			href: "#/overview?at=closes",
		};
	}
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
