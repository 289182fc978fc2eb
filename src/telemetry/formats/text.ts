/** The format `text`: a line for a person at a terminal, the important facts first, the rest as key=value. */
import type { Attempt } from "../../gateway/events.ts";
import { escapeControls } from "./escape.ts";
import type { LogEvent, LogFields, LogFormatter } from "./format.ts";

export interface TextFormatOptions {
	/** Colours the level with terminal escapes. */
	readonly colour: boolean;
}

const COLOURS = { debug: 90, info: 32, warn: 33, error: 31 } as const;

/** The start of a line for the events that have one of their own, and which fields it has used up. */
interface Headline {
	readonly uses: readonly string[];
	write(fields: LogFields): (string | undefined)[];
}

const HEADLINES: ReadonlyMap<string, Headline> = new Map<string, Headline>([
	["ws.open", { uses: ["handshake_ms"], write: (fields) => [milliseconds(fields.handshake_ms)] }],
	[
		"ws.close",
		{
			uses: [
				"close_code",
				"close_initiator",
				"termination",
				"duration_ms",
				"bytes_in",
				"bytes_out",
				"messages_in",
				"messages_out",
			],
			write: (fields) => [
				word(fields.close_code),
				word(fields.close_initiator),
				word(fields.termination),
				milliseconds(fields.duration_ms),
				...(fields.bytes_in === undefined ? [] : traffic(fields)),
			],
		},
	],
	[
		"ws.reject",
		{
			uses: ["status", "code", "handshake_ms"],
			write: (fields) => [word(fields.status), word(fields.code), milliseconds(fields.handshake_ms)],
		},
	],
	[
		"http.request",
		{
			uses: ["method", "path", "status", "duration_ms"],
			write: (fields) => [
				word(fields.method),
				word(fields.path),
				word(fields.status),
				milliseconds(fields.duration_ms),
			],
		},
	],
]);

export function textFormatter({ colour }: TextFormatOptions): LogFormatter {
	return (event, fields) => {
		const headline = HEADLINES.get(event.name);
		const parts: (string | undefined)[] = [clockTime(event.time), levelWord(event, colour), word(event.name)];
		const used = new Set<string>(headline?.uses);
		if (headline) {
			parts.push(way(fields), ...headline.write(fields));
			for (const name of ["route", "endpoint"]) used.add(name);
			// Without a proxy in front, both addresses are the same.
			if (fields.peer_ip === fields.client_ip) used.add("peer_ip");
		}
		parts.push(...fieldParts(fields, used));
		return parts.filter((part) => part !== undefined).join(" ");
	};
}

/**
 * The fields as `name=value`, those of an object as `name.key=value`. Lists of sentences, such as the problems of a
 * configuration, come last and without quotes: `problems: routes.yaml:3:1: … | routes.yaml:9:4: …`.
 */
export function fieldParts(fields: LogFields, used?: ReadonlySet<string>): string[] {
	const words: string[] = [];
	const sentences: string[] = [];
	const add = (name: string, value: unknown): void => {
		if (value === undefined || value === "" || used?.has(name)) return;
		if (name === "attempts") words.push(`attempts=${attempts(value)}`);
		else if (isList(value) && value.some((each) => /\s/.test(each))) {
			sentences.push(`${word(name)}: ${value.map(escapeControls).join(" | ")}`);
		} else if (isList(value)) words.push(`${word(name)}=${value.map(word).join(",")}`);
		else if (isObject(value)) for (const key in value) add(`${name}.${key}`, value[key]);
		// The first of the problems again.
		else if (name !== "message" || !isList(fields.problems) || fields.problems[0] !== value) {
			words.push(`${word(name)}=${word(value)}`);
		}
	};
	for (const name in fields) add(name, fields[name]);
	return [...words, ...sentences];
}

function isList(value: unknown): value is string[] {
	return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Absent where the process that counted it is gone. */
function traffic(fields: LogFields): string[] {
	return [
		`in=${bytes(fields.bytes_in)}/${word(fields.messages_in)}msg`,
		`out=${bytes(fields.bytes_out)}/${word(fields.messages_out)}msg`,
	];
}

/** `route -> endpoint`, as far as the connection got. */
function way(fields: LogFields): string {
	const route = fields.route === undefined ? "-" : word(fields.route);
	return fields.endpoint === undefined ? route : `${route} -> ${word(fields.endpoint)}`;
}

/** Local time, since a terminal is read where the program runs. */
function clockTime(time: number): string {
	const date = new Date(time);
	const two = (value: number): string => String(value).padStart(2, "0");
	const fraction = String(date.getMilliseconds()).padStart(3, "0");
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${fraction}`;
}

function levelWord({ level }: LogEvent, colour: boolean): string {
	const text = level.toUpperCase();
	return colour ? `\u001b[${COLOURS[level]}m${text}\u001b[0m` : text;
}

/** A value as one word: escaped, and in quotes when it would otherwise not be one. */
export function word(value: unknown): string {
	const escaped = escapeControls(asText(value).replaceAll("\\", "\\\\"));
	return escaped === "" || /[\s"=]/.test(escaped) ? `"${escaped.replaceAll('"', '\\"')}"` : escaped;
}

function asText(value: unknown): string {
	if (typeof value === "string") return value;
	if (typeof value !== "object" || value === null) return String(value);
	try {
		return JSON.stringify(value) ?? "";
	} catch (error) {
		return `[cannot be written: ${error instanceof Error ? error.message : String(error)}]`;
	}
}

export function attempts(value: unknown): string {
	if (!Array.isArray(value) || value.length === 0) return "none";
	return (value as Attempt[]).map((each) => `${word(each.endpoint)}:${word(each.outcome)}:${each.ms}ms`).join(",");
}

function milliseconds(value: unknown): string | undefined {
	if (typeof value !== "number") return undefined;
	if (value < 1000) return `${Math.round(value * 10) / 10}ms`;
	const seconds = value / 1000;
	if (seconds < 60) return `${seconds.toFixed(1)}s`;
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return `${minutes}m${Math.floor(seconds % 60)}s`;
	return `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}

function bytes(value: unknown): string {
	if (typeof value !== "number") return "-";
	if (value < 1024) return `${value}B`;
	let rest = value / 1024;
	for (const unit of ["KiB", "MiB", "GiB"]) {
		if (rest < 1024) return `${rest.toFixed(1)}${unit}`;
		rest /= 1024;
	}
	return `${rest.toFixed(1)}TiB`;
}
