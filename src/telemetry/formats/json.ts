/** The format `json`: one object a line. */
import { pino } from "pino";
import { escapeControls } from "./escape.ts";
import type { LogFormatter } from "./format.ts";

/**
 * pino only serialises here, and never throws on a strange value; its own way to stdout is not used, since its flush
 * at the exit never ends when the disk is full or the reader has stopped.
 */
export function jsonFormatter(): LogFormatter {
	let line = "";
	let time = 0;
	const logger = pino(
		{
			base: null,
			level: "debug",
			timestamp: () => `,"time":"${new Date(time).toISOString()}"`,
			formatters: { level: (label) => ({ level: label }) },
		},
		{
			write(text: string) {
				line = text;
			},
		},
	);
	return (event, fields) => {
		time = event.time;
		logger[event.level]({ event: event.name, ...fields });
		return escapeControls(line.slice(0, -1));
	};
}
