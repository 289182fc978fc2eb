/**
 * nginx's regular expressions (PCRE, pcre2pattern(3)) in the language of the gateway's patterns, which is JavaScript's
 * without backreferences, lookbehind and flags inside. JavaScript reads much of PCRE as something else without an error:
 * `\Q.\E` is "Q.E" to it, `[]]` matches nothing. So everything is read here, and what is not known is a problem.
 */
import {
	type ByteSet,
	bothCases,
	bytesLike,
	bytesWithProperty,
	characterText,
	classText,
	ESCAPED_SETS,
	inverted,
	POSIX_SETS,
	WORD,
} from "./byte-set.ts";
import { pathAtom } from "./path-spelling.ts";

/** What a pattern is compared with: the path as the gateway spells it, the bytes of a header, or a decoded text. */
export type Subject = "path" | "header" | "text";

/** A translation. */
export interface Pcre {
	/** Matches the same texts; with a problem, these and perhaps more. */
	readonly source: string;
	readonly ignoreCase: boolean;
	/** What has no counterpart, in the operator's words. */
	readonly problem: string | undefined;
}

/** There is no way to go on reading. */
class Unreadable extends Error {
	override readonly name = "Unreadable";
}

/** Something that takes part of the text; without a `set` it is a group. */
interface Atom {
	readonly text: string;
	/** Whether a quantifier can follow without a group around it. */
	readonly single: boolean;
	readonly set?: ByteSet | undefined;
	/** What to write in front of `*` and `+`. */
	readonly loose?: string | undefined;
	/** An assertion: takes nothing, and has no quantifier. */
	readonly empty?: boolean | undefined;
}

interface Flags {
	readonly i: boolean;
	readonly s: boolean;
	readonly x: boolean;
	readonly U: boolean;
}

const QUANTIFIER = /([*+?]|\{\d+(?:,\d*)?\})([+?]?)/y;
const GROUP_NAME = /\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/y;
const FLAG_GROUP = /\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])/y;
const HEX = /x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{0,2})/y;
const OCTAL = /o\{([0-7]{1,7})\}|(0[0-7]{0,2})/y;
const PROPERTY = /([pP])(?:\{(\^?)([A-Za-z&_ ]+)\}|([A-Z]))/y;
const CONTROLS: Readonly<Record<string, number>> = { a: 7, e: 27, f: 12, n: 10, r: 13, t: 9 };
const NOT_NEWLINE = bytesLike(/[^\n]/);
const EVERY = inverted(new Set());
/** A class that JavaScript reads as PCRE does. */
const PLAIN_CLASS = /^\[\^?(?:[^\]\\[]|\\[dwDW\-\]\\[./^$*+?(){}|])(?:[^\]\\[]|\\[dwDW\-\]\\[./^$*+?(){}|])*\]$/;

/**
 * Translates a pattern.
 * @param ignoreCase `~*`
 */
export function translatePcre(source: string, ignoreCase: boolean, subject: Subject): Pcre {
	return new Reader(source, ignoreCase, subject).read();
}

class Reader {
	readonly #subject: Subject;
	readonly #text: string;
	/** Case is left to the flag of the whole pattern. */
	readonly #allFolded: boolean;
	readonly #names = new Set<string>();
	#at = 0;
	#flags: Flags;
	#utf = false;
	#problem: string | undefined;
	#problems = 0;
	#depth = 0;
	/** What a possessive repeat takes, until it is known that what follows cannot take it. */
	#possessive: ByteSet | undefined;
	/** The last thing read ends with a word character for certain. */
	#afterWord = false;

	constructor(source: string, ignoreCase: boolean, subject: Subject) {
		const utf = /^\(\*UTF8?\)/.exec(source)?.[0] ?? "";
		const rest = source.slice(utf.length);
		const inline = /^\(\?i\)/.exec(rest)?.[0] ?? "";
		this.#utf = utf !== "";
		this.#text = rest.slice(inline.length);
		this.#allFolded = ignoreCase || inline !== "";
		this.#subject = subject;
		this.#flags = { i: this.#allFolded, s: false, x: false, U: false };
	}

	read(): Pcre {
		const ignoreCase = this.#allFolded;
		try {
			if (this.#text.includes("\uFFFD")) throw new Unreadable("the expression is not in UTF-8");
			const source = this.#choice();
			if (this.#at < this.#text.length) throw new Unreadable("a ) is too much");
			return { source, ignoreCase, problem: this.#problem };
		} catch (error) {
			if (!(error instanceof Unreadable)) throw error;
			return { source: literalStart(this.#text), ignoreCase, problem: error.message };
		}
	}

	#fault(problem: string): void {
		this.#problem ??= problem;
		this.#problems++;
	}

	#take(expression: RegExp): RegExpExecArray | undefined {
		expression.lastIndex = this.#at;
		const match = expression.exec(this.#text);
		if (match) this.#at += match[0].length;
		return match ?? undefined;
	}

	#choice(): string {
		const flags = this.#flags;
		const parts = [this.#sequence()];
		while (this.#text[this.#at] === "|") {
			this.#at++;
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
		while (this.#at < this.#text.length && this.#text[this.#at] !== "|" && this.#text[this.#at] !== ")") {
			if (this.#flags.x && this.#take(/\s+|#[^\n]*\n?/y)) continue;
			for (const atom of this.#atoms()) result += this.#repeated(atom);
		}
		if (this.#depth > 0) this.#settlePossessive(undefined);
		this.#possessive = undefined;
		return result;
	}

	/** Usually one; a character of several bytes is several, of which the last one can be repeated. */
	#atoms(): readonly Atom[] {
		const character = String.fromCodePoint(this.#text.codePointAt(this.#at) as number);
		switch (character) {
			case "(":
				return this.#group();
			case "[":
				return [this.#class()];
			case "\\":
				return this.#escape();
			case ".":
				this.#at++;
				return [this.#setAtom(this.#flags.s ? EVERY : NOT_NEWLINE, this.#flags.s ? undefined : ".")];
			case "^":
				this.#at++;
				return [{ text: "^", single: true, empty: true }];
			case "$":
				this.#at++;
				return [this.#end()];
			case "*":
			case "+":
			case "?":
				throw new Unreadable("there is nothing to repeat");
			default:
				this.#at += character.length;
				return this.#literal(character);
		}
	}

	#end(): Atom {
		// Whatever was repeated could not be the end.
		this.#possessive = undefined;
		return { text: "$", single: true, empty: true };
	}

	#literal(character: string): readonly Atom[] {
		const code = character.codePointAt(0) as number;
		if (code < 0x80) return [this.#setAtom(new Set([code]), undefined)];
		if (this.#subject === "text") return [{ text: character, single: character.length === 1 }];
		const bytes = [...Buffer.from(character, "utf8")].map((byte) => this.#setAtom(new Set([byte]), undefined));
		if (!this.#utf) return bytes;
		return [{ text: bytes.map(({ text }) => text).join(""), single: false }];
	}

	#setAtom(set: ByteSet, written: string | undefined): Atom {
		const fold = this.#flags.i && !this.#allFolded;
		const folded = this.#flags.i ? bothCases(set) : set;
		const inText = fold ? folded : set;
		const kept = fold && inText.size !== set.size ? undefined : written;
		if (this.#subject !== "path") return { text: kept ?? classText(inText), single: true, set: folded };
		const { text, single, loose } = pathAtom(inText, kept);
		return { text, single, loose, set: folded };
	}

	#repeated(atom: Atom): string {
		if (this.#flags.x) this.#take(/\s+/y);
		const match = this.#take(QUANTIFIER);
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
		this.#at++;
		if (this.#text[this.#at] === "*") throw new Unreadable("verbs such as (*SKIP) are not possible");
		if (this.#text[this.#at] !== "?") return [this.#inner("(")];
		if (this.#take(/\?#[^)]*\)/y)) return [];
		if (this.#take(/\?:/y)) return [this.#inner("(?:")];
		if (this.#take(/\?=/y)) return [this.#look("(?=", false)];
		if (this.#take(/\?!/y)) return [this.#look("(?!", true)];
		if (this.#take(/\?<[=!]/y)) {
			this.#fault("lookbehind such as (?<=…) is not possible: its time cannot be bounded");
			const before = this.#problems;
			this.#inner("(");
			this.#problems = before;
			return [];
		}
		if (this.#take(/\?>/y)) {
			this.#fault("atomic groups (?>…) are not possible");
			return [this.#inner("(?:")];
		}
		const named = this.#take(GROUP_NAME);
		if (named) {
			const name = (named[1] ?? named[2]) as string;
			if (this.#names.has(name)) throw new Unreadable(`two groups are called ${name}`);
			this.#names.add(name);
			return [this.#inner(`(?<${name}>`)];
		}
		const flags = this.#take(FLAG_GROUP);
		if (!flags) {
			const shown = this.#text.slice(this.#at - 1, this.#at + 4);
			throw new Unreadable(`${shown}…) is not possible: recursion, conditions and callouts have no counterpart`);
		}
		return this.#flagGroup(flags[1] as string, flags[2] ?? "", flags[3] as string);
	}

	#flagGroup(on: string, off: string, end: string): readonly Atom[] {
		if (/[^isxU]/.test(on + off)) throw new Unreadable(`(?${on}${off && `-${off}`}${end} is not possible`);
		if (this.#allFolded && off.includes("i")) throw new Unreadable("(?-i) is not possible where case is ignored");
		const value = (flag: keyof Flags) => (on.includes(flag) || this.#flags[flag]) && !off.includes(flag);
		const changed: Flags = { i: value("i"), s: value("s"), x: value("x"), U: value("U") };
		if (end === ")") {
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
		if (this.#text[this.#at] !== ")") throw new Unreadable("a ) is missing");
		this.#at++;
		return { text: `${start}${body})`, single: true };
	}

	#look(start: string, negative: boolean): Atom {
		const before = this.#problems;
		const { text } = this.#inner(start);
		// Inside of a negation "perhaps more" would be less: without it the rest matches more.
		return { text: negative && this.#problems > before ? "" : text, single: true, empty: true };
	}

	#escape(): readonly Atom[] {
		this.#at++;
		const letter = this.#text[this.#at];
		if (letter === undefined) throw new Unreadable("a \\ at the end");
		if (letter === "Q") return this.#quoted();
		const set = this.#escapedSet();
		if (set) return [this.#setAtom(set.bytes, set.written)];
		const code = this.#escapedCode();
		if (code !== undefined) return this.#code(code);
		this.#at++;
		switch (letter) {
			case "E":
			case "K":
				// \K moves the start of what was found, which nothing here looks at.
				return [];
			case "A":
				return [{ text: "^", single: true, empty: true }];
			case "G":
				return [{ text: "^", single: true, empty: true }];
			case "z":
			case "Z":
				return [this.#end()];
			case "b":
				return [this.#boundary()];
			case "N":
				if (this.#text[this.#at] === "{") break;
				return [this.#setAtom(NOT_NEWLINE, ".")];
			case "C":
				return [this.#setAtom(EVERY, undefined)];
			case "R":
				return [this.#newlines()];
			case "B":
				if (this.#subject !== "path") return [{ text: "\\B", single: true, empty: true }];
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
		if (this.#subject === "path" && !this.#afterWord) {
			this.#fault("\\b before a word is not possible in a path, where characters are percent-encoded");
			return { text: "", single: true, empty: true };
		}
		return { text: "\\b", single: true, empty: true };
	}

	#newlines(): Atom {
		const pair = [13, 10].map((code) => this.#setAtom(new Set([code]), undefined).text).join("");
		const one = this.#setAtom(ESCAPED_SETS.v as ByteSet, undefined).text;
		return { text: `(?:${pair}|${one})`, single: true };
	}

	/** `\Q…\E`: all of it as it stands. */
	#quoted(): readonly Atom[] {
		this.#at++;
		const end = this.#text.indexOf("\\E", this.#at);
		const text = this.#text.slice(this.#at, end < 0 ? undefined : end);
		this.#at = end < 0 ? this.#text.length : end + 2;
		return [...text].flatMap((character) => this.#literal(character));
	}

	#code(code: number): readonly Atom[] {
		if (code < 0x80 || (code < 0x100 && !this.#utf)) return [this.#setAtom(new Set([code]), undefined)];
		return this.#literal(String.fromCodePoint(code));
	}

	/** `\d`, `\h`, `\p{L}` and their like. */
	#escapedSet(): { bytes: ByteSet; written: string | undefined } | undefined {
		const letter = this.#text[this.#at] as string;
		const known = ESCAPED_SETS[letter.toLowerCase()];
		if (known && /[dwshvDWSHV]/.test(letter)) {
			this.#at++;
			const bytes = letter === letter.toLowerCase() ? known : inverted(known);
			return { bytes, written: /[dwDW]/.test(letter) ? `\\${letter}` : undefined };
		}
		if (letter !== "p" && letter !== "P") return undefined;
		const match = this.#take(PROPERTY);
		const bytes = match && bytesWithProperty((match[3] ?? match[4]) as string);
		if (!match || !bytes || this.#utf) throw new Unreadable(`the property ${match?.[0] ?? `\\${letter}`} is not known`);
		return { bytes: (match[1] === "P") !== (match[2] === "^") ? inverted(bytes) : bytes, written: undefined };
	}

	/** `\x41`, `\n`, `\.` and their like as a number; undefined when it is none, and nothing was read. */
	#escapedCode(): number | undefined {
		const letter = this.#text[this.#at] as string;
		const hex = letter === "x" && this.#take(HEX);
		const octal = !hex && (letter === "o" || letter === "0") && this.#take(OCTAL);
		if (hex || octal) {
			const [, braced, plain] = (hex || octal) as RegExpExecArray;
			const code = Number.parseInt(braced ?? (plain as string), hex ? 16 : 8) || 0;
			if (code > 0x10ffff) throw new Unreadable("a character with such a number does not exist");
			return code;
		}
		if (letter === "c" && /[\x20-\x7e]/.test(this.#text[this.#at + 1] ?? "")) {
			this.#at += 2;
			return (this.#text[this.#at - 1] as string).toUpperCase().charCodeAt(0) ^ 0x40;
		}
		const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
		if (control === undefined && /[A-Za-z0-9]/.test(letter)) return undefined;
		const code = control ?? (letter.codePointAt(0) as number);
		if (code >= 0xd800 && code <= 0xdfff) throw new Unreadable("the expression is not in UTF-8");
		this.#at++;
		return code;
	}

	#class(): Atom {
		const start = this.#at;
		this.#at++;
		const negated = this.#text[this.#at] === "^";
		if (negated) this.#at++;
		const set = new Set<number>();
		for (let first = true; ; first = false) {
			const character = this.#text[this.#at];
			if (character === undefined) throw new Unreadable("a ] is missing");
			if (character === "]" && !first) break;
			this.#classItem(set);
		}
		this.#at++;
		const text = this.#text.slice(start, this.#at);
		const folded = this.#flags.i ? bothCases(set) : set;
		const written = PLAIN_CLASS.test(text) && /^[\x21-\x7e]*$/.test(text) ? text : undefined;
		return this.#setAtom(negated ? inverted(folded) : set, written);
	}

	/** One character, range, or named set of a class. */
	#classItem(set: Set<number>): void {
		const named = this.#take(/\[:(\^?)(\w+):\]/y);
		if (named) {
			const known = Object.hasOwn(POSIX_SETS, named[2] as string) ? POSIX_SETS[named[2] as string] : undefined;
			if (!known) throw new Unreadable(`the class ${named[0]} is not known`);
			for (const code of named[1] ? inverted(known) : known) set.add(code);
			return;
		}
		if (this.#take(/\[[.=]/y)) throw new Unreadable("[. .] and [= =] are not possible");
		const from = this.#classCode(set);
		if (from === undefined) return;
		if (this.#text[this.#at] !== "-" || this.#text[this.#at + 1] === "]" || this.#text[this.#at + 1] === undefined) {
			for (const code of from) set.add(code);
			return;
		}
		this.#at++;
		const inner = new Set<number>();
		const to = this.#text.startsWith("[:", this.#at) ? undefined : this.#classCode(inner);
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
	#classCode(set: Set<number>): readonly number[] | undefined {
		const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
		if (character !== "\\") {
			this.#at += character.length;
			return this.#classBytes(character.codePointAt(0) as number, true);
		}
		this.#at++;
		const letter = this.#text[this.#at];
		if (letter === undefined) throw new Unreadable("a ] is missing");
		if (letter === "b") {
			this.#at++;
			return [8];
		}
		if (letter === "E") {
			this.#at++;
			return undefined;
		}
		if (letter === "Q") {
			const end = this.#text.indexOf("\\E", this.#at);
			const quoted = this.#text.slice(this.#at + 1, end < 0 ? undefined : end);
			this.#at = end < 0 ? this.#text.length : end + 2;
			for (const one of quoted) {
				for (const code of this.#classBytes(one.codePointAt(0) as number, true)) set.add(code);
			}
			return undefined;
		}
		if (/[1-7]/.test(letter)) {
			const octal = this.#take(/[0-7]{1,3}/y) as RegExpExecArray;
			return this.#classBytes(Number.parseInt(octal[0], 8) & 0xff, false);
		}
		const escaped = this.#escapedSet();
		if (escaped) {
			for (const code of escaped.bytes) set.add(code);
			return undefined;
		}
		const code = this.#escapedCode();
		if (code === undefined) throw new Unreadable(`\\${letter} is not possible in a class`);
		return this.#classBytes(code, code > 0xff);
	}

	/** @param isText a character of the file, which PCRE sees as the bytes of its UTF-8 form */
	#classBytes(code: number, isText: boolean): readonly number[] {
		if (code < 0x80) return [code];
		if (this.#utf || this.#subject === "text") throw new Unreadable("a class with characters outside of ASCII");
		if (!isText) return [code];
		return [...Buffer.from(String.fromCodePoint(code), "utf8")];
	}
}

const POSSESSIVE = "possessive repeats such as a++ are not possible where what follows could take the same text";

/** A pattern for all texts that an unreadable one could match: their start as far as it is certain. */
export function literalStart(source: string): string {
	if (/\(\?[a-zA-Z]*x/.test(source) || mayHaveChoice(source)) return "^";
	const start = /^\^((?:[A-Za-z0-9_/-]|\\[./-])*)(.?)/.exec(source);
	if (!start) return "^";
	const [, text = "", next = ""] = start;
	const certain = /[*?{+]/.test(next) ? text.replace(/\\?.$/, "") : text;
	return `^${[...certain.replaceAll("\\", "")].map((character) => characterText(character.charCodeAt(0))).join("")}`;
}

/** Whether there is a `|` outside of groups; in doubt there is. */
function mayHaveChoice(source: string): boolean {
	if (!source.includes("|")) return false;
	if (/\[|\\Q/.test(source)) return true;
	let depth = 0;
	for (const part of source.match(/\\[\s\S]|[\s\S]/g) ?? []) {
		if (part === "(") depth++;
		else if (part === ")") depth--;
		else if (part === "|" && depth <= 0) return true;
	}
	return false;
}
