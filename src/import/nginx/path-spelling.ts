/**
 * nginx compares patterns and locations with the decoded path. Clawgate compares with a path in which some characters are
 * still percent-encoded, and some can be either. This file knows how each byte can look there, by asking the gateway's own
 * reader of paths.
 */
import { parseTarget } from "../../protocol/target.ts";
import { pathProblem } from "../../routing/paths.ts";
import { type ByteSet, bytesLike, characterText, classText, inverted } from "./byte-set.ts";

const ENCODED_DIGIT = bytesLike(/[%0-9A-F]/);
/** What a loose class may take in addition: a path hardly has it, and `%2F` is the gateway's own matter. */
const HARMLESS = bytesLike(/[\n/%]/);
const SLASH = 0x2f;
const PERCENT = 0x25;

/** The bytes that stand there as they are, and those that stand there percent-encoded. */
const { raw: RAW, encoded: ENCODED } = spellings();

function spellings(): { raw: ByteSet; encoded: ByteSet } {
	const raw = new Set<number>();
	const encoded = new Set<number>();
	for (let code = 0; code < 256; code++) {
		for (const sent of [String.fromCharCode(code), percent(code)]) {
			const found = parseTarget(`/a${sent}a`)?.matchPath;
			if (found === `/a${String.fromCharCode(code)}a`) raw.add(code);
			if (found === `/a${percent(code)}a` && code !== SLASH) encoded.add(code);
		}
	}
	return { raw, encoded };
}

function isMet(code: number): boolean {
	return RAW.has(code) || code === PERCENT;
}

function percent(code: number): string {
	return `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** One character of a path as a pattern. */
export interface PathAtom {
	readonly text: string;
	/** Whether a quantifier can follow without a group around it. */
	readonly single: boolean;
	/** The plain class, which together with `*` or `+` takes the same texts. */
	readonly loose: string | undefined;
}

/**
 * A set of bytes as it can look in a path.
 * @param written the class as the operator wrote it, when JavaScript reads it in the same way
 */
export function pathAtom(set: ByteSet, written: string | undefined): PathAtom {
	const plain = new Set([...set].filter((code) => RAW.has(code)));
	const coded = [...set].filter((code) => ENCODED.has(code));
	if (coded.length === 0) return { text: written ?? classText(set), single: true, loose: undefined };
	const digits = codedText(coded);
	if (plain.size === 0) return { text: digits, single: false, loose: undefined };
	const takesAll =
		[...ENCODED].every((code) => set.has(code) || HARMLESS.has(code)) &&
		[...ENCODED_DIGIT].every((code) => set.has(code));
	// No other byte stands in a path as it is, so a short negated class can take them in.
	const left = set.size > 128 ? inverted(new Set([PERCENT, ...inverted(set)].filter(isMet))) : plain;
	return {
		text: `(?:${classText(left)}|${digits})`,
		single: true,
		loose: takesAll ? (written ?? classText(set)) : undefined,
	};
}

function codedText(codes: readonly number[]): string {
	if (codes.length === ENCODED.size) return "%[0-9A-F][0-9A-F]";
	const missing = [...ENCODED].filter((code) => !codes.includes(code));
	if (missing.length <= 4 && codes.length > 16) {
		return `${missing.map((code) => `(?!${percent(code)})`).join("")}%[0-9A-F][0-9A-F]`;
	}
	const rows = new Map<string, string[]>();
	for (const code of codes) {
		const [, first, second] = percent(code) as unknown as [string, string, string];
		rows.set(first, [...(rows.get(first) ?? []), second]);
	}
	const texts = [...rows].map(([first, seconds]) => {
		const set = new Set(seconds.map((digit) => digit.charCodeAt(0)));
		return `${first}${classText(set)}`;
	});
	return texts.length === 1 ? `%${texts[0]}` : `%(?:${texts.join("|")})`;
}

/** A path as nginx compares it, in the gateway's usual spelling: what is never there as it is, is percent-encoded. */
export function spellPath(path: string): string {
	let result = "";
	for (const code of Buffer.from(path, "utf8")) {
		result += RAW.has(code) && code < 0x80 ? String.fromCharCode(code) : percent(code);
	}
	return result;
}

/** Whether a spelled path is the only spelling of itself. */
export function hasOneSpelling(spelled: string): boolean {
	return pieces(spelled).every((piece) => {
		const code = codeOf(piece);
		return !RAW.has(code) || !ENCODED.has(code);
	});
}

/** A spelled path as a pattern that matches it in every spelling. */
export function pathPattern(spelled: string): string {
	return pieces(spelled)
		.map((piece) => {
			const code = codeOf(piece);
			if (!ENCODED.has(code)) return characterText(code);
			return RAW.has(code) ? `(?:${characterText(code)}|${percent(code)})` : percent(code);
		})
		.join("");
}

/** The match of one spelled path. */
export function exactPath(spelled: string): { path: string } | { path_regex: string } {
	const plain = pathProblem(spelled) === undefined && hasOneSpelling(spelled);
	return plain ? { path: spelled } : { path_regex: `^${pathPattern(spelled)}$` };
}

function pieces(spelled: string): string[] {
	return spelled.match(/%[0-9A-F]{2}|[\s\S]/g) ?? [];
}

function codeOf(piece: string): number {
	return piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0);
}
