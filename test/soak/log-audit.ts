/** What has to hold for the log of any run, checked line by line without keeping the lines. */
import type { LogRecord } from "../harness/log-lines.ts";

/** How many faults are kept in words; more of them say nothing new. */
const KEPT = 50;

export class LogAudit {
	/** How often each event came. */
	readonly events: Record<string, number> = {};
	/** How tunnels ended. */
	readonly terminations: Record<string, number> = {};
	/** What the codes of refusals were. */
	readonly refusals: Record<string, number> = {};
	/** What must not be there, in words. */
	readonly wrong: string[] = [];
	/** All lines about workers. */
	readonly workers: LogRecord[] = [];
	/** How the tunnels of the talkers ended, by path. */
	readonly ends = new Map<string, string>();
	readonly #open = new Map<string, LogRecord>();
	/** Seen to their end; a second line about one of them is a fault. */
	readonly #done = new Set<string>();

	line(record: LogRecord): void {
		const { event, connection_id: id = "" } = record;
		this.events[event] = (this.events[event] ?? 0) + 1;
		if (event === "internal.error" || event === "gateway.failing" || event === "log.dropped") this.#fault(record);
		if (event.startsWith("worker.")) this.workers.push(record);
		if (event === "ws.open") this.#opened(id, record);
		if (event === "ws.close") this.#closed(id, record);
		if (event === "ws.reject") this.#rejected(id, record);
	}

	/** Connections with a `ws.open` line and no `ws.close` line. */
	get open(): readonly LogRecord[] {
		return [...this.#open.values()];
	}

	#opened(id: string, record: LogRecord): void {
		if (this.#open.has(id) || this.#done.has(id)) this.#fault(record);
		this.#open.set(id, record);
	}

	#closed(id: string, record: LogRecord): void {
		if (!this.#open.delete(id)) this.#fault(record);
		this.#done.add(id);
		const { termination = "", path = "" } = record;
		this.terminations[termination] = (this.terminations[termination] ?? 0) + 1;
		if (path.startsWith("/talk/")) this.ends.set(path, termination);
	}

	#rejected(id: string, record: LogRecord): void {
		if (this.#open.has(id) || this.#done.has(id)) this.#fault(record);
		this.#done.add(id);
		const { code = "" } = record;
		this.refusals[code] = (this.refusals[code] ?? 0) + 1;
	}

	#fault(record: LogRecord): void {
		if (this.wrong.length < KEPT) this.wrong.push(`the log has: ${JSON.stringify(record)}`);
	}
}
