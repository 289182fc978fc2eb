/** The format `json`: one object a line. */
import { escapeControls } from "./escape.ts";
import type { LogFields, LogFormatter } from "./format.ts";

/** The beginning of a line is put together by hand: a copy of all fields only to have three more before them is dear. */
export function jsonFormatter(): LogFormatter {
	let time = Number.NaN;
	let iso = "";
	return (event, fields) => {
		if (event.time !== time) {
			time = event.time;
			iso = new Date(time).toISOString();
		}
		const head = `{"level":"${event.level}","time":"${iso}","event":${JSON.stringify(event.name)}`;
		const body = serialised(fields);
		return escapeControls(body === "{}" ? `${head}}` : `${head},${body.slice(1)}`);
	};
}

/** Never throws: a value that JSON does not know is written as text. */
function serialised(fields: LogFields): string {
	try {
		return JSON.stringify(fields);
	} catch {
		return JSON.stringify(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, plain(value)])));
	}
}

function plain(value: unknown): unknown {
	try {
		JSON.stringify(value);
		return value;
	} catch {
		return String(value);
	}
}
