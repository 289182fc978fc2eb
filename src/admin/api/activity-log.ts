/** What happened lately, counted in short intervals: the dashboard shows the past hour as soon as it is opened. */
import type {
	CloseReport,
	ConnectionFacts,
	EventSink,
	LogLevel,
	OpenReport,
	RejectReport,
} from "../../gateway/events.ts";

export const INTERVAL_MS = 5_000;
/** An hour. */
const KEPT_INTERVALS = 720;
/** Different kinds of closes, or of rejections, that one interval tells apart: clients choose close codes. */
const MAX_KINDS = 48;
/** Kinds of rejections of which the latest one is kept. */
const MAX_REJECTIONS = 200;

export interface CloseCount {
	/** 0: others, when there are too many different ones. */
	readonly close_code: number;
	readonly initiator: CloseReport["close_initiator"];
	readonly termination: CloseReport["termination"];
	/** Where to look; only of those that a backend lost, and absent when there are too many different ones. */
	readonly route?: string | undefined;
	readonly endpoint?: string | undefined;
	count: number;
}

export interface RejectionCount {
	readonly code: RejectReport["code"];
	/** Absent when no route matched, and when there are too many different ones. */
	readonly route?: string | undefined;
	count: number;
}

export interface Interval {
	/** ms since the epoch, a multiple of {@link INTERVAL_MS}. */
	readonly start: number;
	opened: number;
	readonly closed: Map<string, CloseCount>;
	readonly rejected: Map<string, RejectionCount>;
}

export interface LastRejection {
	/** ms since the epoch. */
	readonly time: number;
	readonly facts: ConnectionFacts;
	readonly report: RejectReport;
}

export interface LastReload {
	/** ms since the epoch. */
	readonly time: number;
	readonly result: "success" | "rejected";
	readonly trigger: string;
	readonly problems: readonly string[];
}

/** A sink of the gateway's events. It has no timer: an interval begins with its first event. */
export class ActivityLog implements EventSink {
	readonly #now: () => number;
	readonly #intervals: Interval[] = [];
	readonly #rejections = new Map<string, LastRejection>();
	#lastReload: LastReload | undefined;

	/** @param now ms since the epoch */
	constructor(now: () => number) {
		this.#now = now;
	}

	/** Those in which something happened and that began at `since` or later, oldest first. */
	intervals(since: number): Interval[] {
		return this.#intervals.filter(({ start }) => start >= since);
	}

	/** The latest of each kind since then, the oldest first. */
	rejections(since: number): LastRejection[] {
		return [...this.#rejections.values()].filter(({ time }) => time >= since);
	}

	/** How the last reload that changed something, or should have, ended; undefined before the first one. */
	get lastReload(): LastReload | undefined {
		return this.#lastReload;
	}

	open(_facts: ConnectionFacts, _report: OpenReport): void {
		this.#interval().opened++;
	}

	close(facts: ConnectionFacts, { close_code, close_initiator: initiator, termination }: CloseReport): void {
		const { closed } = this.#interval();
		const { route, endpoint }: Partial<ConnectionFacts> = termination === "backend_drop" ? facts : {};
		const key = `${close_code} ${initiator} ${termination} ${route ?? ""} ${endpoint ?? ""}`;
		const known = closed.get(key);
		if (known) known.count++;
		else if (closed.size < MAX_KINDS)
			closed.set(key, { close_code, initiator, termination, route, endpoint, count: 1 });
		else add(closed, `0 ${initiator} ${termination}`, { close_code: 0, initiator, termination, count: 0 });
	}

	reject(facts: ConnectionFacts, report: RejectReport): void {
		const { rejected } = this.#interval();
		const { code } = report;
		const key = `${code} ${facts.route ?? ""}`;
		const known = rejected.get(key);
		if (known) known.count++;
		else if (rejected.size < MAX_KINDS) rejected.set(key, { code, route: facts.route, count: 1 });
		else add(rejected, code, { code, count: 0 });
		this.#keep(key, { time: this.#now(), facts, report });
	}

	notice(_level: LogLevel, event: string, fields: Record<string, unknown>): void {
		const rejected = event === "config.rejected";
		// Somebody took a mistake back: what is on disk is what runs.
		const takenBack = event === "config.unchanged" && this.#lastReload?.result === "rejected";
		if (!rejected && !takenBack && event !== "config.reload") return;
		const problems = (rejected ? fields.problems : fields.warnings) ?? [];
		this.#lastReload = {
			time: this.#now(),
			result: rejected ? "rejected" : "success",
			trigger: String(fields.trigger),
			problems: Array.isArray(problems) ? problems.map(String) : [],
		};
	}

	#keep(key: string, rejection: LastRejection): void {
		this.#rejections.delete(key);
		this.#rejections.set(key, rejection);
		if (this.#rejections.size <= MAX_REJECTIONS) return;
		const [oldest] = this.#rejections.keys();
		this.#rejections.delete(oldest as string);
	}

	#interval(): Interval {
		const start = Math.floor(this.#now() / INTERVAL_MS) * INTERVAL_MS;
		const last = this.#intervals.at(-1);
		// A clock that was set back does not open earlier intervals again.
		if (last && start <= last.start) return last;
		const interval: Interval = { start, opened: 0, closed: new Map(), rejected: new Map() };
		this.#intervals.push(interval);
		const oldest = start - KEPT_INTERVALS * INTERVAL_MS;
		while ((this.#intervals[0]?.start ?? start) <= oldest) this.#intervals.shift();
		return interval;
	}
}

function add<T extends { count: number }>(counts: Map<string, T>, key: string, empty: T): void {
	const known = counts.get(key) ?? empty;
	known.count++;
	counts.set(key, known);
}
