/** What stands behind a backslash: sets and characters. */
import { type ByteSet, bytesWithProperty, ESCAPED_SETS, inverted } from "./byte-set.ts";
import { type Cursor, Unreadable } from "./pcre-cursor.ts";

const HEX = /x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{0,2})/y;
const OCTAL = /o\{([0-7]{1,7})\}|(0[0-7]{0,2})/y;
const PROPERTY = /([pP])(?:\{(\^?)([A-Za-z&_ ]+)\}|([A-Z]))/y;
const CONTROLS: Readonly<Record<string, number>> = { a: 7, e: 27, f: 12, n: 10, r: 13, t: 9 };

/** `\d`, `\h`, `\p{L}` and their like. */
export function escapedSet(cursor: Cursor, utf: boolean): { bytes: ByteSet; written: string | undefined } | undefined {
	const letter = cursor.next as string;
	const known = ESCAPED_SETS[letter.toLowerCase()];
	if (known && /[dwshvDWSHV]/.test(letter)) {
		cursor.at++;
		const bytes = letter === letter.toLowerCase() ? known : inverted(known);
		return { bytes, written: /[dwDW]/.test(letter) ? `\\${letter}` : undefined };
	}
	if (letter !== "p" && letter !== "P") return undefined;
	const match = cursor.take(PROPERTY);
	const bytes = match && bytesWithProperty((match[3] ?? match[4]) as string);
	if (!match || !bytes || utf) throw new Unreadable(`the property ${match?.[0] ?? `\\${letter}`} is not known`);
	return { bytes: (match[1] === "P") !== (match[2] === "^") ? inverted(bytes) : bytes, written: undefined };
}

/** `\x41`, `\n`, `\.` and their like as a number; undefined when it is none, and nothing was read. */
export function escapedCode(cursor: Cursor): number | undefined {
	const letter = cursor.next as string;
	const hex = letter === "x" && cursor.take(HEX);
	const octal = !hex && (letter === "o" || letter === "0") && cursor.take(OCTAL);
	if (hex || octal) {
		const [, braced, plain] = (hex || octal) as RegExpExecArray;
		const code = Number.parseInt(braced ?? (plain as string), hex ? 16 : 8) || 0;
		if (code > 0x10ffff) throw new Unreadable("a character with such a number does not exist");
		return code;
	}
	if (letter === "c" && /[\x20-\x7e]/.test(cursor.text[cursor.at + 1] ?? "")) {
		cursor.at += 2;
		return (cursor.text[cursor.at - 1] as string).toUpperCase().charCodeAt(0) ^ 0x40;
	}
	const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
	if (control === undefined && /[A-Za-z0-9]/.test(letter)) return undefined;
	const code = control ?? (letter.codePointAt(0) as number);
	if (code >= 0xd800 && code <= 0xdfff) throw new Unreadable("the expression is not in UTF-8");
	cursor.at++;
	return code;
}
