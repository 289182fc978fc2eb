/** Reads a regular expression (ECMA-262 §22.2.1, without the u and v flags) into a tree for the cost check. */

/** A pattern that is valid but refused; the message is for the operator. */
export class PatternError extends Error {
	override readonly name = "PatternError";
}

/** One piece of a pattern. A `set` takes one character; groups are transparent. */
export type Piece =
	| { readonly type: "set"; readonly source: string }
	| { readonly type: "assertion"; readonly start: boolean }
	| { readonly type: "lookahead"; readonly body: Piece }
	| { readonly type: "sequence"; readonly items: readonly Piece[] }
	| { readonly type: "choice"; readonly items: readonly Piece[] }
	| { readonly type: "repeat"; readonly body: Piece; readonly min: number; readonly max: number };

const QUANTIFIER = /([*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y;
const GROUP = /\((?:\?(?:(:)|([=!])|(<[A-Za-z_$][\w$]*>)))?/y;
const CLASS = /\[(?:[^\]\\]|\\[\s\S])*\]/y;
const ESCAPE = /\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z]|[\s\S])/y;

/**
 * Reads a pattern that `new RegExp` accepted.
 * @throws PatternError for backreferences, lookbehind and inline flags: their cost is not known in advance
 */
export function readPattern(source: string): Piece {
	let at = 0;

	function take(expression: RegExp): RegExpExecArray | undefined {
		expression.lastIndex = at;
		const match = expression.exec(source);
		if (match) at += match[0].length;
		return match ?? undefined;
	}

	function readChoice(): Piece {
		const items = [readSequence()];
		while (source[at] === "|") {
			at++;
			items.push(readSequence());
		}
		return items.length === 1 ? (items[0] as Piece) : { type: "choice", items };
	}

	function readSequence(): Piece {
		const items: Piece[] = [];
		while (at < source.length && source[at] !== "|" && source[at] !== ")") items.push(readRepeat(readAtom()));
		return items.length === 1 ? (items[0] as Piece) : { type: "sequence", items };
	}

	function readRepeat(body: Piece): Piece {
		const match = take(QUANTIFIER);
		if (!match) return body;
		const [, sign, least, comma, most] = match;
		if (sign === "*") return { type: "repeat", body, min: 0, max: Number.POSITIVE_INFINITY };
		if (sign === "+") return { type: "repeat", body, min: 1, max: Number.POSITIVE_INFINITY };
		if (sign === "?") return { type: "repeat", body, min: 0, max: 1 };
		const min = Number(least);
		return {
			type: "repeat",
			body,
			min,
			max: comma === undefined ? min : most ? Number(most) : Number.POSITIVE_INFINITY,
		};
	}

	function readAtom(): Piece {
		const character = source[at] as string;
		if (character === "(") return readGroup();
		if (character === "^" || character === "$") {
			at++;
			return { type: "assertion", start: character === "^" };
		}
		if (character === "\\") return readEscape();
		if (character === "[") return { type: "set", source: (take(CLASS) as RegExpExecArray)[0] };
		at++;
		return {
			type: "set",
			source: character === "{" || character === "}" || character === "]" ? `\\${character}` : character,
		};
	}

	function readEscape(): Piece {
		const [text] = take(ESCAPE) as RegExpExecArray;
		if (text === "\\b" || text === "\\B") return { type: "assertion", start: false };
		if (/^\\[1-9k]/.test(text)) {
			throw new PatternError(`backreferences such as ${text} are not possible: their time cannot be bounded`);
		}
		return { type: "set", source: text };
	}

	function readGroup(): Piece {
		const [text, , lookahead] = take(GROUP) as RegExpExecArray;
		if (text === "(" && source[at] === "?") {
			throw new PatternError(
				`${source.slice(at - 1, at + 3)}…) is not possible: use (…), (?:…), (?<name>…), (?=…), (?!…), or (?i) at the start`,
			);
		}
		const body = readChoice();
		at++;
		return lookahead ? { type: "lookahead", body } : body;
	}

	return readChoice();
}
