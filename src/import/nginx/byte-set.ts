/** Sets of bytes: what one character of an nginx pattern stands for. PCRE compares bytes unless it is told that they are UTF-8. */

/** Codes from 0 to 255. */
export type ByteSet = ReadonlySet<number>;

const CODES = Array.from({ length: 256 }, (_, code) => code);

/** The bytes that a pattern matches, as the character with the same number. */
export function bytesLike(pattern: RegExp): Set<number> {
	return new Set(CODES.filter((code) => pattern.test(String.fromCharCode(code))));
}

/** All other bytes. */
export function inverted(set: ByteSet): Set<number> {
	return new Set(CODES.filter((code) => !set.has(code)));
}

/** Letters in both cases. */
export function bothCases(set: ByteSet): Set<number> {
	const all = new Set(set);
	for (const code of set) {
		if ((code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)) all.add(code ^ 0x20);
	}
	return all;
}

export const DIGITS: ByteSet = bytesLike(/[0-9]/);
export const WORD: ByteSet = bytesLike(/[A-Za-z0-9_]/);

/** `\d` and its like (pcre2pattern(3), "Generic character types"); the capital stands for the others. */
export const ESCAPED_SETS: Readonly<Record<string, ByteSet>> = {
	d: DIGITS,
	w: WORD,
	s: bytesLike(/[\t-\r ]/),
	h: bytesLike(/[\t \xa0]/),
	v: bytesLike(/[\n-\r\x85]/),
};

/** `[:alpha:]` and its like, in the C locale that nginx runs in. */
export const POSIX_SETS: Readonly<Record<string, ByteSet>> = {
	alnum: bytesLike(/[A-Za-z0-9]/),
	alpha: bytesLike(/[A-Za-z]/),
	ascii: new Set(CODES.slice(0, 0x80)),
	blank: bytesLike(/[\t ]/),
	cntrl: new Set([...CODES.slice(0, 0x20), 0x7f]),
	digit: DIGITS,
	graph: bytesLike(/[\x21-\x7e]/),
	lower: bytesLike(/[a-z]/),
	print: bytesLike(/[\x20-\x7e]/),
	punct: bytesLike(/[!-/:-@[-`{-~]/),
	space: bytesLike(/[\t-\r ]/),
	upper: bytesLike(/[A-Z]/),
	word: WORD,
	xdigit: bytesLike(/[0-9A-Fa-f]/),
};

/** The bytes with a Unicode property (`L`, `Lu`, `Greek`); undefined when JavaScript knows none of the name. */
export function bytesWithProperty(name: string): Set<number> | undefined {
	const plain = name === "L&" ? "LC" : name;
	for (const property of [plain, `Script=${plain}`]) {
		try {
			return bytesLike(new RegExp(`\\p{${property}}`, "u"));
		} catch {
			// Not a property of this kind: the next one.
		}
	}
	return undefined;
}

/** A set as a JavaScript class, or as the one character that is in it. */
export function classText(set: ByteSet): string {
	if (equal(set, DIGITS)) return "\\d";
	if (equal(set, WORD)) return "\\w";
	if (set.size === 1) return characterText([...set][0] as number);
	return set.size > 128 ? `[^${rangesText(inverted(set))}]` : `[${rangesText(set)}]`;
}

/** One byte as it stands outside of a class. */
export function characterText(code: number): string {
	const character = String.fromCharCode(code);
	return isPrintable(code) ? character.replace(/[\\^$.|?*+()[\]{}]/, "\\$&") : hex(code);
}

function rangesText(set: ByteSet): string {
	const text = (code: number): string => {
		const character = String.fromCharCode(code);
		return isPrintable(code) ? character.replace(/[\\\]^-]/, "\\$&") : hex(code);
	};
	let result = "";
	for (let code = 0; code < 256; code++) {
		if (!set.has(code)) continue;
		const first = code;
		while (set.has(code + 1)) code++;
		result += text(first);
		if (code > first + 1) result += "-";
		if (code > first) result += text(code);
	}
	return result;
}

function isPrintable(code: number): boolean {
	return code > 0x20 && code < 0x7f;
}

function hex(code: number): string {
	return `\\x${code.toString(16).padStart(2, "0")}`;
}

function equal(a: ByteSet, b: ByteSet): boolean {
	return a.size === b.size && [...a].every((code) => b.has(code));
}
