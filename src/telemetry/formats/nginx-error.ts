/** Events that are no connection's end, as lines of nginx's error log: `2026/01/02 03:04:05 [warn] 7#0: endpoint.down …`. */
import type { LogEvent, LogFields } from "./format.ts";
import { fieldParts, word } from "./text.ts";

/** The fields follow as in the format `text`. */
export function errorLine({ time, level, name }: LogEvent, fields: LogFields): string {
	return [`${dateTime(time)} [${level}] ${process.pid}#0: ${word(name)}`, ...fieldParts(fields)].join(" ");
}

/** Local time. */
function dateTime(time: number): string {
	const date = new Date(time);
	const two = (value: number): string => String(value).padStart(2, "0");
	const day = `${date.getFullYear()}/${two(date.getMonth() + 1)}/${two(date.getDate())}`;
	return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
