/** Classes of PCRE: `[a-z]`, `[[:alpha:]]`, `[]]`, `[^]]`. */
import { type ByteSet, bothCases, inverted, POSIX_SETS } from "./byte-set.ts";
import { type Cursor, Unreadable } from "./pcre-cursor.ts";
import { escapedCode, escapedSet } from "./pcre-escapes.ts";

/** How characters outside of ASCII count in a class. */
export interface ClassKind {
	/** Each is one, and not the bytes of its UTF-8 form: then there can be none in a class. */
	readonly characters: boolean;
}

/** A class that JavaScript reads as PCRE does. */
const PLAIN_CLASS = /^\[\^?(?:[^\]\\[]|\\[dwDW\-\]\\[./^$*+?(){}|])(?:[^\]\\[]|\\[dwDW\-\]\\[./^$*+?(){}|])*\]$/;

/**
 * Reads a class, from its `[` on.
 * @param ignoreCase both cases of what is in it belong to it
 */
export function readClass(
	cursor: Cursor,
	kind: ClassKind,
	ignoreCase: boolean,
): { set: ByteSet; written: string | undefined } {
	const start = cursor.at;
	cursor.at++;
	const negated = cursor.text[cursor.at] === "^";
	if (negated) cursor.at++;
	const set = new Set<number>();
	for (let first = true; ; first = false) {
		const character = cursor.text[cursor.at];
		if (character === undefined) throw new Unreadable("a ] is missing");
		if (character === "]" && !first) break;
		classItem(cursor, kind, set);
	}
	cursor.at++;
	const text = cursor.text.slice(start, cursor.at);
	const folded = ignoreCase ? bothCases(set) : set;
	const written = PLAIN_CLASS.test(text) && /^[\x21-\x7e]*$/.test(text) ? text : undefined;
	return { set: negated ? inverted(folded) : set, written };
}

/** One character, range, or named set of a class. */
function classItem(cursor: Cursor, kind: ClassKind, set: Set<number>): void {
	const named = cursor.take(/\[:(\^?)(\w+):\]/y);
	if (named) {
		const known = Object.hasOwn(POSIX_SETS, named[2] as string) ? POSIX_SETS[named[2] as string] : undefined;
		if (!known) throw new Unreadable(`the class ${named[0]} is not known`);
		for (const code of named[1] ? inverted(known) : known) set.add(code);
		return;
	}
	if (cursor.take(/\[[.=]/y)) throw new Unreadable("[. .] and [= =] are not possible");
	const from = classCode(cursor, kind, set);
	if (from === undefined) return;
	if (
		cursor.text[cursor.at] !== "-" ||
		cursor.text[cursor.at + 1] === "]" ||
		cursor.text[cursor.at + 1] === undefined
	) {
		for (const code of from) set.add(code);
		return;
	}
	cursor.at++;
	const inner = new Set<number>();
	const to = cursor.text.startsWith("[:", cursor.at) ? undefined : classCode(cursor, kind, inner);
	if (to === undefined) {
		// A hyphen before a set is one of the characters.
		for (const code of [...from, 0x2d, ...inner]) set.add(code);
		return;
	}
	const [first, last] = [from.at(-1) as number, to[0] as number];
	if (from.length > 1 || to.length > 1) throw new Unreadable("a range of characters outside of ASCII");
	if (last < first) throw new Unreadable("a range in a class is out of order");
	for (let code = first; code <= last; code++) set.add(code);
}

/** The bytes of one character; undefined when it was a set, which was added, or nothing. */
function classCode(cursor: Cursor, kind: ClassKind, set: Set<number>): readonly number[] | undefined {
	const character = String.fromCodePoint(cursor.text.codePointAt(cursor.at) ?? 0);
	if (character !== "\\") {
		cursor.at += character.length;
		return classBytes(kind, character.codePointAt(0) as number, true);
	}
	cursor.at++;
	const letter = cursor.text[cursor.at];
	if (letter === undefined) throw new Unreadable("a ] is missing");
	if (letter === "b") {
		cursor.at++;
		return [8];
	}
	if (letter === "E") {
		cursor.at++;
		return undefined;
	}
	if (letter === "Q") {
		for (const one of cursor.takeQuoted()) {
			for (const code of classBytes(kind, one.codePointAt(0) as number, true)) set.add(code);
		}
		return undefined;
	}
	if (/[1-7]/.test(letter)) {
		const octal = cursor.take(/[0-7]{1,3}/y) as RegExpExecArray;
		return classBytes(kind, Number.parseInt(octal[0], 8) & 0xff, false);
	}
	const escaped = escapedSet(cursor, kind.characters);
	if (escaped) {
		for (const code of escaped.bytes) set.add(code);
		return undefined;
	}
	const code = escapedCode(cursor);
	if (code === undefined) throw new Unreadable(`\\${letter} is not possible in a class`);
	return classBytes(kind, code, code > 0xff);
}

/** @param isText a character of the file, which PCRE sees as the bytes of its UTF-8 form */
function classBytes(kind: ClassKind, code: number, isText: boolean): readonly number[] {
	if (code < 0x80) return [code];
	if (kind.characters) throw new Unreadable("a class with characters outside of ASCII");
	if (!isText) return [code];
	return [...Buffer.from(String.fromCodePoint(code), "utf8")];
}
