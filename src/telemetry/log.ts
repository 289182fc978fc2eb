/** The log as a sink of the gateway's events: which line at which level. */
import { isatty } from "node:tty";
import { ERRORS } from "../errors.ts";
import {
	type CloseReport,
	type ConnectionFacts,
	DETAILS,
	type EventSink,
	type HttpReport,
	type LogLevel,
	type OpenReport,
	type RejectReport,
	type RequestDetails,
} from "../gateway/events.ts";
import type { LogFields, LogFormatter } from "./formats/format.ts";
import { createFormatter, type FormatSettings } from "./formats/index.ts";
import { limitLines } from "./line-limit.ts";
import { ATOMIC_BYTES, isPipe, LineWriter, nonBlockingStdout } from "./line-writer.ts";
import { closeFields, httpFields, noticeFields, openFields, rejectFields } from "./log-fields.ts";

/** What the operator chooses. */
export interface LogSettings extends FormatSettings {
	/** Lines below it are not written. */
	readonly level: LogLevel;
}

export interface LogOptions extends LogSettings {
	/** Takes the lines, without line break, instead of stdout. Must not throw. */
	readonly write?: (line: string) => void;
	/** Other processes write to the same stdout: lines must not get into each other's. */
	readonly sharesStdout?: boolean;
	/** Called before lines are written. Must not throw. */
	readonly beforeLines?: (() => void) | undefined;
	/** Milliseconds since the epoch. */
	readonly now?: () => number;
	/** Colours in the text format; by default when stdout is a terminal and NO_COLOR is not set. */
	readonly colour?: boolean;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Writes a line for each event of docs/observability.md; `open`, `close`, `reject`, `http` and `notice` never throw. */
export class LogSink implements EventSink {
	readonly #now: () => number;
	readonly #write: (line: string) => void;
	readonly #writer: LineWriter | undefined;
	readonly #colour: boolean;
	/** Most bytes of a line, with its line break. */
	#longest = Number.POSITIVE_INFINITY;
	#threshold: number;
	#format: LogFormatter;
	/** A template may tell at the close how the connection opened. */
	#keepsOpenings: boolean;

	constructor(options: LogOptions) {
		this.#now = options.now ?? Date.now;
		if (options.write) {
			this.#write = options.write;
			this.#writer = undefined;
		} else {
			const fd = nonBlockingStdout();
			if (options.sharesStdout && isPipe(fd)) this.#longest = ATOMIC_BYTES;
			const writer = new LineWriter({
				fd,
				maxWrite: this.#longest,
				shared: options.sharesStdout ?? false,
				beforeWrite: options.beforeLines,
				onDropped: (lines) => this.notice("warn", "log.dropped", { lines }),
			});
			this.#write = (line) => writer.write(`${line}\n`);
			this.#writer = writer;
		}
		this.#colour = options.colour ?? (!options.write && isatty(1) && !process.env.NO_COLOR);
		this.#threshold = SEVERITY[options.level];
		this.#format = this.#formatter(options);
		this.#keepsOpenings = options.template !== undefined;
	}

	/** Takes over new settings, after a reload. */
	configure(settings: LogSettings): void {
		this.#threshold = SEVERITY[settings.level];
		this.#format = this.#formatter(settings);
		this.#keepsOpenings = settings.template !== undefined;
	}

	/** Lines that could not be written and will not be. */
	get lost(): number {
		return this.#writer?.lost ?? 0;
	}

	/** Resolves when every line so far is written, or after two seconds when nobody takes them. */
	async flush(): Promise<void> {
		await this.#writer?.flush();
	}

	/** Flushes and ends the log; later lines are dropped. ({@link close} is the event.) */
	async stop(): Promise<void> {
		await this.#writer?.close();
	}

	open(facts: ConnectionFacts, report: OpenReport): void {
		const details = facts[DETAILS];
		if (details && this.#keepsOpenings) details.opened = report;
		if (this.#wants("info")) this.#line("info", "ws.open", openFields(facts, report), details);
	}

	/** A backend that was cut off in the middle is a warning; the other ends are news. */
	close(facts: ConnectionFacts, report: CloseReport): void {
		const level = report.termination === "backend_drop" ? "warn" : "info";
		if (this.#wants(level)) this.#line(level, "ws.close", closeFields(facts, report), facts[DETAILS]);
	}

	/** A client's mistake is news, a backend's or the gateway's failure is a warning. */
	reject(facts: ConnectionFacts, report: RejectReport): void {
		const level = ERRORS[report.code].side === "client" ? "info" : "warn";
		if (this.#wants(level)) this.#line(level, "ws.reject", rejectFields(facts, report), facts[DETAILS]);
	}

	http(facts: ConnectionFacts, report: HttpReport): void {
		if (this.#wants("info")) this.#line("info", "http.request", httpFields(facts, report), facts[DETAILS]);
	}

	notice(level: LogLevel, event: string, fields: LogFields): void {
		if (this.#wants(level)) this.#line(level, event, noticeFields(fields));
	}

	#formatter(settings: LogSettings): LogFormatter {
		const format = createFormatter(settings, { colour: this.#colour });
		return this.#longest === Number.POSITIVE_INFINITY ? format : limitLines(format, this.#longest - 1);
	}

	#wants(level: LogLevel): boolean {
		return SEVERITY[level] >= this.#threshold;
	}

	#line(level: LogLevel, name: string, fields: LogFields, details?: RequestDetails): void {
		const line = this.#format({ time: this.#now(), level, name }, fields, details);
		if (line !== undefined) this.#write(line);
	}
}
