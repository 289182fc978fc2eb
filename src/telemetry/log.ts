/** The log as a sink of the gateway's events: which line at which level. */
import { isatty } from "node:tty";
import { ERRORS } from "../errors.ts";
import type {
	CloseReport,
	ConnectionFacts,
	EventSink,
	HttpReport,
	LogLevel,
	OpenReport,
	RejectReport,
} from "../gateway/events.ts";
import type { LogFields, LogFormatter } from "./formats/format.ts";
import { LOG_FORMATS, type LogFormat } from "./formats/index.ts";
import { LineWriter, nonBlockingStdout } from "./line-writer.ts";
import { closeFields, httpFields, noticeFields, openFields, rejectFields } from "./log-fields.ts";

/** What the operator chooses. */
export interface LogSettings {
	/** Lines below it are not written. */
	readonly level: LogLevel;
	readonly format: LogFormat;
}

export interface LogOptions extends LogSettings {
	/** Takes the lines, without line break, instead of stdout. Must not throw. */
	readonly write?: (line: string) => void;
	/** Milliseconds since the epoch. */
	readonly now?: () => number;
	/** Colours in the text format; by default when stdout is a terminal and NO_COLOR is not set. */
	readonly colour?: boolean;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Writes a line for each event of CONFIG §4; `open`, `close`, `reject`, `http` and `notice` never throw. */
export class LogSink implements EventSink {
	readonly #now: () => number;
	readonly #write: (line: string) => void;
	readonly #writer: LineWriter | undefined;
	readonly #colour: boolean;
	#threshold: number;
	#format: LogFormatter;

	constructor(options: LogOptions) {
		this.#now = options.now ?? Date.now;
		if (options.write) {
			this.#write = options.write;
			this.#writer = undefined;
		} else {
			const writer = new LineWriter({
				fd: nonBlockingStdout(),
				onDropped: (lines) => this.notice("warn", "log.dropped", { lines }),
			});
			this.#write = (line) => writer.write(`${line}\n`);
			this.#writer = writer;
		}
		this.#colour = options.colour ?? (!options.write && isatty(1) && !process.env.NO_COLOR);
		this.#threshold = SEVERITY[options.level];
		this.#format = LOG_FORMATS[options.format]({ colour: this.#colour });
	}

	/** Takes over new settings, after a reload. */
	configure(settings: LogSettings): void {
		this.#threshold = SEVERITY[settings.level];
		this.#format = LOG_FORMATS[settings.format]({ colour: this.#colour });
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
		if (this.#wants("info")) this.#line("info", "ws.open", openFields(facts, report));
	}

	close(facts: ConnectionFacts, report: CloseReport): void {
		if (this.#wants("info")) this.#line("info", "ws.close", closeFields(facts, report));
	}

	/** A client's mistake is news, a backend's or the gateway's failure is a warning. */
	reject(facts: ConnectionFacts, report: RejectReport): void {
		const level = ERRORS[report.code].side === "client" ? "info" : "warn";
		if (this.#wants(level)) this.#line(level, "ws.reject", rejectFields(facts, report));
	}

	http(facts: ConnectionFacts, report: HttpReport): void {
		if (this.#wants("info")) this.#line("info", "http.request", httpFields(facts, report));
	}

	notice(level: LogLevel, event: string, fields: LogFields): void {
		if (this.#wants(level)) this.#line(level, event, noticeFields(fields));
	}

	#wants(level: LogLevel): boolean {
		return SEVERITY[level] >= this.#threshold;
	}

	#line(level: LogLevel, name: string, fields: LogFields): void {
		this.#write(this.#format({ time: this.#now(), level, name }, fields));
	}
}

/** A log to stdout, or to `write`. */
export function createLogSink(options: LogOptions): LogSink {
	return new LogSink(options);
}
