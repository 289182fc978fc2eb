/** The pieces of a translated expression, spelled for what they are compared with. */
import { type ByteSet, bothCases, classText, ESCAPED_SETS } from "./byte-set.ts";
import { pathAtom } from "./path-spelling.ts";

/** What a pattern is compared with: the path as the gateway spells it, the bytes of a header, or a decoded text. */
export type Subject = "path" | "header" | "text";

/** Something that takes part of the text; without a `set` it is a group. */
export interface Atom {
	readonly text: string;
	/** Whether a quantifier can follow without a group around it. */
	readonly single: boolean;
	readonly set?: ByteSet | undefined;
	/** What to write in front of `*` and `+`. */
	readonly loose?: string | undefined;
	/** An assertion: takes nothing, and has no quantifier. */
	readonly empty?: boolean | undefined;
}

/** How pieces are spelled. */
export interface Spelling {
	readonly subject: Subject;
	/** Characters count, not the bytes of their UTF-8 form. */
	readonly utf: boolean;
	/** Case is left to the flag of the whole expression. */
	readonly allFolded: boolean;
}

/** A character as it stands there. */
export function literal(character: string, spelling: Spelling, ignoreCase: boolean): readonly Atom[] {
	const code = character.codePointAt(0) as number;
	if (code < 0x80) return [setAtom(new Set([code]), undefined, spelling, ignoreCase)];
	if (spelling.subject === "text") return [{ text: character, single: character.length === 1 }];
	const bytes = [...Buffer.from(character, "utf8")].map((byte) =>
		setAtom(new Set([byte]), undefined, spelling, ignoreCase),
	);
	if (!spelling.utf) return bytes;
	return [{ text: bytes.map(({ text }) => text).join(""), single: false }];
}

/** One of the bytes of a set. @param written the set as it stands there, when JavaScript reads it in the same way */
export function setAtom(
	set: ByteSet,
	written: string | undefined,
	{ subject, allFolded }: Spelling,
	ignoreCase: boolean,
): Atom {
	const fold = ignoreCase && !allFolded;
	const folded = ignoreCase ? bothCases(set) : set;
	const inText = fold ? folded : set;
	const kept = fold && inText.size !== set.size ? undefined : written;
	if (subject !== "path") return { text: kept ?? classText(inText), single: true, set: folded };
	const { text, single, loose } = pathAtom(inText, kept);
	return { text, single, loose, set: folded };
}

/** A character by its number: below 256 it is a byte, unless characters count. */
export function numbered(code: number, spelling: Spelling, ignoreCase: boolean): readonly Atom[] {
	if (code < 0x80 || (code < 0x100 && !spelling.utf))
		return [setAtom(new Set([code]), undefined, spelling, ignoreCase)];
	return literal(String.fromCodePoint(code), spelling, ignoreCase);
}

/** `\R` */
export function newlines(spelling: Spelling): Atom {
	const text = (codes: ByteSet) => setAtom(codes, undefined, spelling, false).text;
	return { text: `(?:${text(new Set([13]))}${text(new Set([10]))}|${text(ESCAPED_SETS.v as ByteSet)})`, single: true };
}
