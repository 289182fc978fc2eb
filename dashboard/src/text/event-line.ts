/** One event of the gateway as one line: the tone, the words, and which connection it is about. */

import { formatBytes, formatDuration, plural } from "./format.ts";
import type { Tone } from "./tone.ts";
import { closeCodeName, terminationName } from "./words.ts";

export interface EventLine {
	readonly id: string;
	/** ms since the epoch. */
	readonly time: number;
	readonly name: string;
	readonly tone: Tone;
	readonly text: string;
	readonly route: string | undefined;
	readonly connectionId: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** @param data the event's fields as JSON */
export function eventLine(id: string, name: string, data: string): EventLine {
	const fields = fieldsOf(data);
	return {
		id,
		name,
		time: Date.parse(String(fields.time)),
		tone: toneOf(name, fields),
		text: textOf(name, fields),
		route: textField(fields, "route"),
		connectionId: textField(fields, "connection_id"),
	};
}

function fieldsOf(data: string): Fields {
	try {
		return JSON.parse(data) as Fields;
	} catch {
		return {};
	}
}

const TONES: Readonly<Record<string, Tone>> = {
	"ws.open": "good",
	"ws.reject": "warn",
	"endpoint.up": "good",
	"endpoint.down": "bad",
	"endpoint.ejected": "warn",
	"health_check.mistaken": "warn",
	"breaker.open": "bad",
	"breaker.half_open": "warn",
	"breaker.closed": "good",
	"config.reload": "good",
	"config.rejected": "bad",
	"drain.end": "good",
	"worker.exit": "bad",
};

/** Ends that nobody has to look at. */
const USUAL_ENDS = new Set(["normal", "drain", "shutdown", "lifetime", "client_drop", "backend_end", "idle_timeout"]);

function toneOf(name: string, fields: Fields): Tone {
	if (name === "ws.close") return USUAL_ENDS.has(String(fields.termination)) ? "none" : "warn";
	if (name.startsWith("discovery.")) return fields.level === "info" ? "good" : "warn";
	return TONES[name] ?? "busy";
}

function textOf(name: string, fields: Fields): string {
	if (name === "ws.open") return openText(fields);
	if (name === "ws.close") return closeText(fields);
	if (name === "ws.reject") return rejectText(fields);
	if (name === "config.rejected") return rejectedText(fields);
	return Object.entries(fields)
		.filter(([key]) => !["time", "event", "level"].includes(key))
		.map(([key, value]) => fieldText(key, value))
		.join(", ");
}

/** `duration_ms: 5964` is `duration 5s`. */
function fieldText(key: string, value: unknown): string {
	if (key.endsWith("_ms") && typeof value === "number") return `${words(key.slice(0, -3))} ${formatDuration(value)}`;
	if (typeof value === "object" && value !== null && !Array.isArray(value)) {
		return Object.entries(value)
			.map(([inner, each]) => fieldText(`${key} ${inner}`, each))
			.join(", ");
	}
	return `${words(key)} ${Array.isArray(value) ? value.map(plain).join(", ") : value}`;
}

function plain(value: unknown): string {
	return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function rejectedText({ message, problems }: Fields): string {
	const more = Array.isArray(problems) ? problems.length - 1 : 0;
	return `${message ?? ""}${more > 0 ? `, and ${more} more` : ""}`;
}

function words(key: string): string {
	return key.replaceAll("_", " ");
}

function openText(fields: Fields): string {
	const { client_ip, endpoint, path, user, handshake_ms } = fields;
	const who = user === undefined ? client_ip : `${user} at ${client_ip}`;
	return `${who} ${path ?? ""} to ${endpoint}, handshake ${handshake_ms} ms`;
}

function closeText(fields: Fields): string {
	const code = Number(fields.close_code);
	const reason = textField(fields, "close_reason");
	const told = `${code} ${closeCodeName(code)}${reason ? ` “${reason}”` : ""}`;
	const carried = `${plural(Number(fields.messages_in), "message")} in, ${Number(fields.messages_out)} out`;
	const bytes = formatBytes(Number(fields.bytes_in) + Number(fields.bytes_out));
	const age = formatDuration(Number(fields.duration_ms));
	const why = terminationName(String(fields.termination));
	return `${fields.client_ip}: ${told} by the ${fields.close_initiator}, ${why}; ${age}, ${carried}, ${bytes}`;
}

function rejectText(fields: Fields): string {
	const where = `${fields.host ?? ""}${fields.path ?? ""}`;
	const message = textField(fields, "message");
	return `${fields.client_ip} ${where}: ${fields.status} ${fields.code}${message ? `, ${message}` : ""}`;
}

function textField(fields: Fields, name: string): string | undefined {
	const value = fields[name];
	return typeof value === "string" && value !== "" ? value : undefined;
}
