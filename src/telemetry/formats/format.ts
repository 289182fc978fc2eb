/** What a log format is: a pure function from one event to one line. */
import type { LogLevel, RequestDetails } from "../../gateway/events.ts";

/** What every line has, whatever its fields. */
export interface LogEvent {
	/** Milliseconds since the epoch. */
	readonly time: number;
	readonly level: LogLevel;
	/** `ws.open`, `ws.close`, `config.reload` … */
	readonly name: string;
}

/** Fields by their name in the log; undefined ones do not exist. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Gives the line without its line break, or undefined for an event that has none. The line must not contain a break
 * either, nor anything a terminal would obey.
 */
export type LogFormatter = (
	event: LogEvent,
	fields: LogFields,
	details: RequestDetails | undefined,
) => string | undefined;
