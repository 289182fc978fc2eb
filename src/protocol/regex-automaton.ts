/**
 * The position automaton (Glushkov) of a pattern: one state for each place where a character is read. A backtracking
 * matcher walks its paths, so how many paths one text can have is how long the matcher can take.
 */
import { PatternError, type Piece, readPattern } from "./regex-syntax.ts";

/** States are numbers from 0. */
export interface Automaton {
	/** The characters that each state reads: a flag for each below 256, and one for "perhaps some beyond". */
	readonly sets: readonly Uint8Array[];
	/** For the operator: what stands in the pattern there. */
	readonly sources: readonly string[];
	/** The states after each state, with the number of ways to get there (1, or 2 for "several"). */
	readonly follow: readonly Map<number, number>[];
}

/** A decoded query value can hold any character; which ones a set reads beyond 255 is not looked at closely. */
const MAY_READ_BEYOND = /^\.$|^\[\^|\\[uDWSs]|[^\0-\xff]/;

const MAX_STATES = 256;
/** Bounded repeats up to these are unrolled; larger ones count as unbounded, which errs on the safe side. */
const MAX_EXACT_COPIES = 64;
const MAX_OPTIONAL_COPIES = 16;
const MAX_GROUP_COPIES = 4;

/** A part of the automaton: where it starts and ends, and in how many ways it can be empty (0, 1, or 2 for several). */
interface Fragment {
	readonly first: ReadonlyMap<number, number>;
	readonly last: ReadonlyMap<number, number>;
	readonly empty: number;
}

const NOTHING: Fragment = { first: new Map(), last: new Map(), empty: 1 };

/**
 * Builds the automaton of a valid pattern.
 * @throws PatternError for patterns that are too large, that repeat what can be empty, or that {@link readPattern} refuses
 */
export function buildAutomaton(source: string, flags: string): Automaton {
	const sets: Uint8Array[] = [];
	const sources: string[] = [];
	const follow: Map<number, number>[] = [];
	const setCache = new Map<string, Uint8Array>();

	function setOf(text: string): Uint8Array {
		const known = setCache.get(text);
		if (known) return known;
		const set = new Uint8Array(257);
		if (/^[\w/-]$/.test(text) && flags === "") set[text.charCodeAt(0)] = 1;
		else {
			const expression = new RegExp(`^(?:${text})$`, flags);
			for (let code = 0; code < 256; code++) set[code] = Number(expression.test(String.fromCharCode(code)));
			set[256] = Number(MAY_READ_BEYOND.test(text));
		}
		setCache.set(text, set);
		return set;
	}

	function state(text: string): Fragment {
		if (sets.length === MAX_STATES) {
			throw new PatternError("this pattern is too large to be checked: use smaller repeat counts or several patterns");
		}
		const position = sets.push(setOf(text)) - 1;
		sources.push(text);
		follow.push(new Map());
		return { first: new Map([[position, 1]]), last: new Map([[position, 1]]), empty: 0 };
	}

	function connect(from: ReadonlyMap<number, number>, to: ReadonlyMap<number, number>): void {
		for (const [before, ways] of from) {
			const next = follow[before] as Map<number, number>;
			for (const [after, more] of to) next.set(after, Math.min(2, (next.get(after) ?? 0) + ways * more));
		}
	}

	function sequence(a: Fragment, b: Fragment): Fragment {
		connect(a.last, b.first);
		return {
			first: sum(a.first, b.first, a.empty),
			last: sum(b.last, a.last, b.empty),
			empty: Math.min(2, a.empty * b.empty),
		};
	}

	function build(piece: Piece): Fragment {
		switch (piece.type) {
			case "set":
				return state(piece.source);
			case "assertion":
				return NOTHING;
			// It is tried and left again: paths lead into it and none out of it.
			case "lookahead":
				return { first: build(piece.body).first, last: new Map(), empty: 1 };
			case "sequence":
				return piece.items.reduce<Fragment>((fragment, item) => sequence(fragment, build(item)), NOTHING);
			case "choice":
				return piece.items.map(build).reduce((a, b) => ({
					first: sum(a.first, b.first, 1),
					last: sum(a.last, b.last, 1),
					empty: Math.min(2, a.empty + b.empty),
				}));
			case "repeat":
				return repeat(piece.body, piece.min, piece.max);
		}
	}

	function repeat(body: Piece, min: number, max: number): Fragment {
		if (max === 0) return NOTHING;
		const simple = body.type === "set";
		const exact = simple ? MAX_EXACT_COPIES : MAX_GROUP_COPIES;
		const most = simple ? MAX_OPTIONAL_COPIES : MAX_GROUP_COPIES;
		const unrolled = min === max ? min <= exact : max <= most;
		if (!unrolled) {
			const fragment = once(body, max);
			connect(fragment.last, fragment.first);
			return min === 0 ? optional(fragment) : fragment;
		}
		// X{2,4} is XX(X(X)?)?, as the matcher sees it.
		let tail = NOTHING;
		for (let copies = max; copies > min; copies--) tail = optional(sequence(once(body, max), tail));
		for (let copies = min; copies > 0; copies--) tail = sequence(once(body, max), tail);
		return tail;
	}

	function once(body: Piece, max: number): Fragment {
		const fragment = build(body);
		if (fragment.empty > 0 && max > 1) {
			throw new PatternError(
				"this pattern repeats something that can be empty, such as (a*)*: make the inner part take at least one character",
			);
		}
		return fragment;
	}

	const tree = withoutFreeTail(readPattern(source));
	const whole = build(tree);
	if (!isAnchored(tree)) {
		// Without ^ the matcher tries every start: as if the pattern began with a repeat of any character.
		const start = state("[\\s\\S]");
		connect(start.last, start.first);
		connect(start.last, whole.first);
	}
	return { sets, sources, follow };
}

function optional(fragment: Fragment): Fragment {
	return { ...fragment, empty: Math.min(2, fragment.empty + 1) };
}

function sum(
	a: ReadonlyMap<number, number>,
	b: ReadonlyMap<number, number>,
	times: number,
): ReadonlyMap<number, number> {
	if (times === 0 || b.size === 0) return a;
	const result = new Map(a);
	for (const [position, ways] of b) result.set(position, Math.min(2, (result.get(position) ?? 0) + ways * times));
	return result;
}

function isAnchored(piece: Piece): boolean {
	if (piece.type === "assertion") return piece.start;
	if (piece.type === "sequence") return piece.items[0] !== undefined && isAnchored(piece.items[0]);
	return piece.type === "choice" && piece.items.every(isAnchored);
}

/** Cuts `.*` off the end: the matcher gets there and is done, it never comes back to try another way. */
function withoutFreeTail(piece: Piece): Piece {
	if (piece.type === "repeat" && piece.min === 0 && piece.max === Number.POSITIVE_INFINITY) {
		return piece.body.type === "set" && piece.body.source === "." ? { type: "sequence", items: [] } : piece;
	}
	if (piece.type === "choice") return { type: "choice", items: piece.items.map(withoutFreeTail) };
	const last = piece.type === "sequence" ? piece.items.at(-1) : undefined;
	if (piece.type !== "sequence" || last === undefined) return piece;
	return { type: "sequence", items: [...piece.items.slice(0, -1), withoutFreeTail(last)] };
}
