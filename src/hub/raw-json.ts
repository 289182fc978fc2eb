/**
 * The members of a JSON object, and the elements of a list, as the texts they were sent as. A payload is passed on byte for byte: to read it and write
 * it again would change numbers beyond 2^53, and cost more.
 */

/** A JSON value that is sent as it is: its text. */
export class RawJson {
	readonly text: string;

	constructor(text: string) {
		this.text = text;
	}
}

/** Like `JSON.stringify`, with the texts of {@link RawJson} as they are. Only what this project made is deep in it. */
export function jsonText(value: unknown): string {
	if (value instanceof RawJson) return value.text;
	if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	const members = Object.entries(value)
		.filter(([, member]) => member !== undefined)
		.map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`);
	return `{${members.join(",")}}`;
}

/**
 * The text of each member of an object by its name. Of a name that stands there twice the last one counts, as for
 * `JSON.parse`.
 * @param text a JSON object that `JSON.parse` takes
 */
export function rawMembers(text: string): Map<string, string> {
	const members = new Map<string, string>();
	let at = skipSpace(text, skipSpace(text, 0) + 1);
	while (text[at] === '"') {
		const nameEnd = endOfString(text, at);
		const name = JSON.parse(text.slice(at, nameEnd)) as string;
		// Behind the colon.
		const start = skipSpace(text, skipSpace(text, nameEnd) + 1);
		const end = endOfValue(text, start);
		members.set(name, text.slice(start, end));
		at = skipSpace(text, end);
		if (text[at] === ",") at = skipSpace(text, at + 1);
	}
	return members;
}

/**
 * The text of each element of a list.
 * @param text a JSON array that `JSON.parse` takes
 */
export function rawElements(text: string): string[] {
	const elements: string[] = [];
	let at = skipSpace(text, skipSpace(text, 0) + 1);
	while (at < text.length && text[at] !== "]") {
		const end = endOfValue(text, at);
		elements.push(text.slice(at, end));
		at = skipSpace(text, end);
		if (text[at] === ",") at = skipSpace(text, at + 1);
	}
	return elements;
}

function skipSpace(text: string, at: number): number {
	while (at < text.length && " \t\n\r".includes(text[at] as string)) at++;
	return at;
}

function endOfString(text: string, start: number): number {
	let at = start + 1;
	while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
	return at + 1;
}

function endOfValue(text: string, start: number): number {
	const first = text[start];
	if (first === '"') return endOfString(text, start);
	if (first !== "{" && first !== "[") {
		let at = start;
		while (at < text.length && !",}] \t\n\r".includes(text[at] as string)) at++;
		return at;
	}
	let depth = 0;
	let at = start;
	do {
		const character = text[at];
		if (character === '"') {
			at = endOfString(text, at);
			continue;
		}
		if (character === "{" || character === "[") depth++;
		else if (character === "}" || character === "]") depth--;
		at++;
	} while (depth > 0);
	return at;
}
