/** What could not be carried over, or is not quite the same: each with its place, and with what to do. */
import type { Directive, Place } from "./directive.ts";

/**
 * What a note is about: `refused` – nginx answered it by itself, Clawgate refuses it; `status`, `host`, `path`,
 * `backend`, `websocket` – what can be different for a request; `spelling` – the same path, written in another way;
 * `answer` – what a client is told besides the status; `dropped` – nothing changes for where a request goes; `unneeded` –
 * nothing is lost.
 */
export type Effect =
	| "refused"
	| "status"
	| "host"
	| "path"
	| "backend"
	| "websocket"
	| "spelling"
	| "answer"
	| "dropped"
	| "unneeded";

/** How much an operator has to care, the most first, and what it means. */
const SEVERITIES = [
	["refused", "clients are refused until you say what to do with their requests"],
	["different", "works, but not quite as nginx did it"],
	["dropped", "has no effect any more"],
	["not needed", "nothing is lost"],
] as const;

function severityOf(effect: Effect): (typeof SEVERITIES)[number][0] {
	if (effect === "unneeded") return "not needed";
	return effect === "refused" || effect === "dropped" ? effect : "different";
}

export interface Note extends Place {
	/** The directive with its most telling argument. */
	readonly directive: string;
	readonly message: string;
	readonly effect: Effect;
}

/** Collects notes; the same one is kept once. */
export class Notes {
	readonly #notes = new Map<string, Note>();

	/** @param what the directive, or words for something that is not written in the file */
	add(at: Directive | (Place & { readonly name?: string }), message: string, effect: Effect): void {
		const args = "args" in at ? shortArgs(at) : "";
		const note = { file: at.file, line: at.line, directive: `${at.name ?? "configuration"}${args}`, message, effect };
		this.#notes.set(JSON.stringify(note), note);
	}

	addAll(notes: Iterable<Note>): void {
		for (const note of notes) this.#notes.set(JSON.stringify(note), note);
	}

	/** In the order of files and lines. */
	list(): Note[] {
		const files = [...new Set([...this.#notes.values()].map(({ file }) => file))];
		return [...this.#notes.values()].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
	}
}

/** Directives whose arguments tell them apart; secrets are never among these. */
const TELLING = new Set([
	"location",
	"listen",
	"server",
	"upstream",
	"proxy_pass",
	"proxy_set_header",
	"add_header",
	"include",
	"rewrite",
	"return",
]);

function shortArgs({ name, args }: Directive): string {
	if (!TELLING.has(name) || args.length === 0) return "";
	const shown = name === "proxy_set_header" || name === "add_header" || name === "server" ? args.slice(0, 1) : args;
	return ` ${shown.join(" ").replace(/\s+/g, " ").trim()}`.slice(0, 80);
}

/**
 * `file:line: directive: message`, one for each kind: the same message at several places is one line that names them all.
 */
export function formatNotes(notes: readonly Note[]): string[] {
	const groups = new Map<string, Note[]>();
	for (const note of notes) {
		const key = JSON.stringify([note.directive, note.message]);
		const group = groups.get(key);
		if (group) group.push(note);
		else groups.set(key, [note]);
	}
	return [...groups.values()].map(([first, ...others]) => {
		const { file, line, directive, message } = first as Note;
		const also = others.map((note) => (note.file === file ? `line ${note.line}` : `${note.file}:${note.line}`));
		const places = also.length === 0 ? "" : ` (also ${also.join(", ")})`;
		return `${file}:${line}: ${directive}: ${message}${places}`;
	});
}

/** Places that a line of the summary names. */
const MOST_PLACES = 12;

/** The notes by severity, one line each: how many there are, what that means, and where they are. */
export function summarise(notes: readonly Note[]): string[] {
	return SEVERITIES.flatMap(([severity, meaning]) => {
		const own = notes.filter(({ effect }) => severityOf(effect) === severity);
		if (own.length === 0) return [];
		const places = [...new Set(own.map(({ file, line }) => `${file}:${line}`))];
		const more = places.length > MOST_PLACES ? ` and ${places.length - MOST_PLACES} more` : "";
		return [`${own.length} ${severity} (${meaning}): ${places.slice(0, MOST_PLACES).join(", ")}${more}`];
	});
}
