/**
 * nginx's regular expressions (PCRE, pcre2pattern(3)) in the language of the gateway's patterns, which is JavaScript's
 * without backreferences, lookbehind and flags inside. JavaScript reads much of PCRE as something else without an error:
 * `\Q.\E` is "Q.E" to it, `[]]` matches nothing. So everything is read here, and what is not known is a problem.
 */
import { type ByteSet, bytesLike, inverted, WORD } from "./byte-set.ts";
import { type Atom, literal, newlines, numbered, type Spelling, type Subject, setAtom } from "./pcre-atoms.ts";
import { readClass } from "./pcre-class.ts";
import { Cursor, Unreadable } from "./pcre-cursor.ts";
import { escapedCode, escapedSet } from "./pcre-escapes.ts";
import { changedFlags, FLAG_GROUP, type Flags } from "./pcre-flags.ts";
import { literalStart } from "./pcre-start.ts";

/** A translation. */
export interface Pcre {
	/** Matches the same texts; with a problem, these and perhaps more. */
	readonly source: string;
	readonly ignoreCase: boolean;
	/** What has no counterpart, in the operator's words. */
	readonly problem: string | undefined;
}

const QUANTIFIER = /([*+?]|\{\d+(?:,\d*)?\})([+?]?)/y;
const GROUP_NAME = /\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/y;
const NOT_NEWLINE = bytesLike(/[^\n]/);
const EVERY = inverted(new Set());
/**
 * Translates a pattern.
 * @param ignoreCase `~*`
 */
export function translatePcre(source: string, ignoreCase: boolean, subject: Subject): Pcre {
	return new Reader(source, ignoreCase, subject).read();
}

class Reader {
	readonly #spelling: Spelling;
	readonly #cursor: Cursor;
	readonly #names = new Set<string>();
	#flags: Flags;
	#problem: string | undefined;
	#problems = 0;
	#depth = 0;
	/** What a possessive repeat takes, until it is known that what follows cannot take it. */
	#possessive: ByteSet | undefined;
	/** What was read ends with a word character for certain. */
	#afterWord = false;

	constructor(source: string, ignoreCase: boolean, subject: Subject) {
		const utf = /^\(\*UTF8?\)/.exec(source)?.[0] ?? "";
		const rest = source.slice(utf.length);
		const inline = /^\(\?i\)/.exec(rest)?.[0] ?? "";
		this.#cursor = new Cursor(rest.slice(inline.length));
		const allFolded = ignoreCase || inline !== "";
		this.#spelling = { subject, utf: utf !== "", allFolded };
		this.#flags = { i: allFolded, s: false, x: false, U: false };
	}

	read(): Pcre {
		const ignoreCase = this.#spelling.allFolded;
		try {
			if (this.#cursor.text.includes("\uFFFD")) throw new Unreadable("the expression is not in UTF-8");
			const source = this.#choice();
			if (this.#cursor.at < this.#cursor.text.length) throw new Unreadable("a ) is too much");
			return { source, ignoreCase, problem: this.#problem };
		} catch (error) {
			if (!(error instanceof Unreadable)) throw error;
			return { source: literalStart(this.#cursor.text), ignoreCase, problem: error.message };
		}
	}

	#fault(problem: string): void {
		this.#problem ??= problem;
		this.#problems++;
	}

	#choice(): string {
		const flags = this.#flags;
		const parts = [this.#sequence()];
		while (this.#cursor.next === "|") {
			this.#cursor.at++;
			parts.push(this.#sequence());
		}
		// Flags that were changed inside of a group hold up to its end, in the alternatives after them too.
		this.#flags = flags;
		return parts.join("|");
	}

	#sequence(): string {
		let result = "";
		this.#possessive = undefined;
		this.#afterWord = false;
		while (this.#cursor.at < this.#cursor.text.length && this.#cursor.next !== "|" && this.#cursor.next !== ")") {
			if (this.#flags.x && this.#cursor.take(/\s+|#[^\n]*\n?/y)) continue;
			for (const atom of this.#atoms()) result += this.#repeated(atom);
		}
		if (this.#depth > 0) this.#settlePossessive(undefined);
		this.#possessive = undefined;
		return result;
	}

	/** Usually one; a character of several bytes is several, of which the last one can be repeated. */
	#atoms(): readonly Atom[] {
		const character = String.fromCodePoint(this.#cursor.text.codePointAt(this.#cursor.at) as number);
		switch (character) {
			case "(":
				return this.#group();
			case "[":
				return [this.#class()];
			case "\\":
				return this.#escape();
			case ".":
				this.#cursor.at++;
				return [this.#setAtom(this.#flags.s ? EVERY : NOT_NEWLINE, this.#flags.s ? undefined : ".")];
			case "^":
				this.#cursor.at++;
				return [{ text: "^", single: true, empty: true }];
			case "$":
				this.#cursor.at++;
				return [this.#end()];
			case "*":
			case "+":
			case "?":
				throw new Unreadable("there is nothing to repeat");
			default:
				this.#cursor.at += character.length;
				return literal(character, this.#spelling, this.#flags.i);
		}
	}

	#end(): Atom {
		// Whatever was repeated could not be the end.
		this.#possessive = undefined;
		return { text: "$", single: true, empty: true };
	}

	#setAtom(set: ByteSet, written?: string): Atom {
		return setAtom(set, written, this.#spelling, this.#flags.i);
	}

	#repeated(atom: Atom): string {
		if (this.#flags.x) this.#cursor.take(/\s+/y);
		const match = this.#cursor.take(QUANTIFIER);
		if (atom.empty) {
			if (match) throw new Unreadable("an assertion cannot be repeated here");
			return atom.text;
		}
		const [, sign = "", more = ""] = match ?? [];
		const optional = sign === "*" || sign === "?" || /^\{0+[,}]/.test(sign);
		this.#settlePossessive(optional ? undefined : atom.set);
		this.#afterWord = !optional && atom.set !== undefined && [...atom.set].every((code) => WORD.has(code));
		if (match === undefined) return atom.text;
		if (more === "+") {
			if (atom.set === undefined) this.#fault(POSSESSIVE);
			else this.#possessive = atom.set;
		}
		const endless = sign === "*" || sign === "+" || /^\{[01],\}$/.test(sign);
		const text = endless && atom.loose !== undefined ? atom.loose : atom.single ? atom.text : `(?:${atom.text})`;
		const lazy = more !== "+" && (more === "?") !== this.#flags.U;
		return `${text}${sign}${lazy ? "?" : ""}`;
	}

	/** A possessive repeat is the same as a plain one when what follows it cannot take what it takes. */
	#settlePossessive(next: ByteSet | undefined): void {
		const taken = this.#possessive;
		this.#possessive = undefined;
		if (taken === undefined) return;
		if (next === undefined || [...next].some((code) => taken.has(code))) this.#fault(POSSESSIVE);
	}

	#group(): readonly Atom[] {
		this.#cursor.at++;
		if (this.#cursor.next === "*") throw new Unreadable("verbs such as (*SKIP) are not possible");
		if (this.#cursor.next !== "?") return [this.#inner("(")];
		if (this.#cursor.take(/\?#[^)]*\)/y)) return [];
		if (this.#cursor.take(/\?:/y)) return [this.#inner("(?:")];
		if (this.#cursor.take(/\?=/y)) return [this.#look("(?=", false)];
		if (this.#cursor.take(/\?!/y)) return [this.#look("(?!", true)];
		if (this.#cursor.take(/\?<[=!]/y)) {
			this.#fault("lookbehind such as (?<=…) is not possible: its time cannot be bounded");
			const before = this.#problems;
			this.#inner("(");
			this.#problems = before;
			return [];
		}
		if (this.#cursor.take(/\?>/y)) {
			this.#fault("atomic groups (?>…) are not possible");
			return [this.#inner("(?:")];
		}
		const named = this.#cursor.take(GROUP_NAME);
		if (named) {
			const name = (named[1] ?? named[2]) as string;
			if (this.#names.has(name)) throw new Unreadable(`two groups are called ${name}`);
			this.#names.add(name);
			return [this.#inner(`(?<${name}>`)];
		}
		const flags = this.#cursor.take(FLAG_GROUP);
		if (!flags) {
			const shown = this.#cursor.text.slice(this.#cursor.at - 1, this.#cursor.at + 4);
			throw new Unreadable(`${shown}…) is not possible: recursion, conditions and callouts have no counterpart`);
		}
		return this.#flagGroup(flags);
	}

	#flagGroup(group: RegExpExecArray): readonly Atom[] {
		const changed = changedFlags(group, this.#flags, this.#spelling.allFolded);
		if (group[3] === ")") {
			this.#flags = changed;
			return [];
		}
		const before = this.#flags;
		this.#flags = changed;
		const atom = this.#inner("(?:");
		this.#flags = before;
		return [atom];
	}

	/** What is in a group, and its end. */
	#inner(start: string): Atom {
		this.#settlePossessive(undefined);
		const flags = this.#flags;
		this.#depth++;
		const body = this.#choice();
		this.#depth--;
		this.#flags = flags;
		if (this.#cursor.next !== ")") throw new Unreadable("a ) is missing");
		this.#cursor.at++;
		return { text: `${start}${body})`, single: true };
	}

	#look(start: string, negative: boolean): Atom {
		const before = this.#problems;
		const { text } = this.#inner(start);
		// Inside of a negation "perhaps more" would be less: without it the rest matches more.
		return { text: negative && this.#problems > before ? "" : text, single: true, empty: true };
	}

	#escape(): readonly Atom[] {
		this.#cursor.at++;
		const letter = this.#cursor.next;
		if (letter === undefined) throw new Unreadable("a \\ at the end");
		if (letter === "Q") return this.#quoted();
		const set = escapedSet(this.#cursor, this.#spelling.utf);
		if (set) return [this.#setAtom(set.bytes, set.written)];
		const code = escapedCode(this.#cursor);
		if (code !== undefined) return numbered(code, this.#spelling, this.#flags.i);
		this.#cursor.at++;
		switch (letter) {
			case "E":
			case "K":
				// \K moves the start of what was found, which nothing here looks at.
				return [];
			case "A":
			case "G":
				return [{ text: "^", single: true, empty: true }];
			case "z":
			case "Z":
				return [this.#end()];
			case "b":
				return [this.#boundary()];
			case "N":
				if (this.#cursor.next === "{") break;
				return [this.#setAtom(NOT_NEWLINE, ".")];
			case "C":
				return [this.#setAtom(EVERY, undefined)];
			case "R":
				return [newlines(this.#spelling)];
			case "B":
				if (this.#spelling.subject !== "path") return [{ text: "\\B", single: true, empty: true }];
				this.#fault("\\B is not possible in a path, where characters are percent-encoded");
				return [];
			default:
				if (/[1-9gk]/.test(letter)) {
					throw new Unreadable(`backreferences such as \\${letter} are not possible: their time cannot be bounded`);
				}
		}
		throw new Unreadable(`\\${letter} is not possible`);
	}

	#boundary(): Atom {
		// "20" of %20 are word characters to JavaScript, so only the end of a word is certain.
		if (this.#spelling.subject === "path" && !this.#afterWord) {
			this.#fault("\\b before a word is not possible in a path, where characters are percent-encoded");
			return { text: "", single: true, empty: true };
		}
		return { text: "\\b", single: true, empty: true };
	}

	/** `\Q…\E`: all of it as it stands. */
	#quoted(): readonly Atom[] {
		return [...this.#cursor.takeQuoted()].flatMap((character) => literal(character, this.#spelling, this.#flags.i));
	}

	#class(): Atom {
		const characters = this.#spelling.utf || this.#spelling.subject === "text";
		const { set, written } = readClass(this.#cursor, { characters }, this.#flags.i);
		return this.#setAtom(set, written);
	}
}

const POSSESSIVE = "possessive repeats such as a++ are not possible where what follows could take the same text";
