/**
 * How the time of a backtracking matcher grows with the text (ReDoS). Follows Weber and Seidl, "On the degree of
 * ambiguity of finite automata" (1991): several ways around one loop are exponential; a loop that leads into another
 * one that can read the same text multiplies the time by the length of the text.
 */
import { type Automaton, buildAutomaton } from "./regex-automaton.ts";
import { PatternError } from "./regex-syntax.ts";

/** Work that a check may take; patterns beyond it are refused. */
const MAX_STEPS = 1_000_000;

const ADVICE = "write the parts so that they cannot read the same text, such as [^/]+ for one segment instead of .*";

/**
 * The cost of a valid pattern.
 * @throws PatternError when it is worse than quadratic, or cannot be bounded
 */
export function patternCost(source: string, flags: string): "linear" | "quadratic" {
	const automaton = buildAutomaton(source, flags);
	const loops = findLoops(automaton);
	const meets = overlap(automaton);
	for (const loop of loops) {
		const at = findSecondWay(automaton, loop, meets);
		if (at === undefined) continue;
		throw new PatternError(
			`this pattern can take exponential time: what repeats around ${automaton.sources[at]} can read the same text in several ways; ${ADVICE}`,
		);
	}
	const degree = longestChain(automaton, loops, meets);
	if (degree > 1) {
		throw new PatternError(
			`this pattern has ${degree + 1} repeats in a row that can read the same text (no ^ at the start counts as one); ${ADVICE}`,
		);
	}
	return degree === 0 ? "linear" : "quadratic";
}

type Meets = (a: number, b: number) => boolean;

/** Whether two states can read the same character. */
function overlap({ sets }: Automaton): Meets {
	const known = new Int8Array(sets.length * sets.length).fill(-1);
	return (a, b) => {
		const key = a * sets.length + b;
		if (known[key] === -1) known[key] = Number((sets[a] as Uint8Array).some((has, code) => has && sets[b]?.[code]));
		return known[key] === 1;
	};
}

/** Every state that can be reached from another by at least one step. */
function reachable({ follow }: Automaton, from: number): Set<number> {
	const seen = new Set<number>();
	const open = [from];
	for (let state = open.pop(); state !== undefined; state = open.pop()) {
		for (const next of (follow[state] as Map<number, number>).keys()) {
			if (seen.has(next)) continue;
			seen.add(next);
			open.push(next);
		}
	}
	return seen;
}

/** A set of states that all reach each other, and what they reach. */
interface Loop {
	readonly states: ReadonlySet<number>;
	readonly reach: ReadonlySet<number>;
}

function findLoops(automaton: Automaton): Loop[] {
	const reach = automaton.sets.map((_, state) => reachable(automaton, state));
	const loops: Loop[] = [];
	reach.forEach((own, state) => {
		if (!own.has(state) || loops.some((loop) => loop.states.has(state))) return;
		loops.push({ states: new Set([...own].filter((other) => reach[other]?.has(state))), reach: own });
	});
	return loops;
}

/** A state of a loop that can be come back to in two ways on one text; undefined when there is none. */
function findSecondWay({ follow, sets }: Automaton, { states }: Loop, meets: Meets): number | undefined {
	const size = sets.length;
	const seen = new Set<number>();
	const open = [...states].map((state) => state * size + state);
	for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
		const a = Math.floor(pair / size);
		const b = pair % size;
		for (const [nextA, ways] of follow[a] as Map<number, number>) {
			if (!states.has(nextA)) continue;
			if (a === b && ways > 1) return nextA;
			for (const nextB of (follow[b] as Map<number, number>).keys()) {
				if (!states.has(nextB)) continue;
				if (nextA === nextB) {
					if (a !== b) return nextA;
					continue;
				}
				const next = nextA * size + nextB;
				if (seen.has(next) || !meets(nextA, nextB)) continue;
				seen.add(next);
				open.push(next);
			}
		}
	}
	return undefined;
}

/** How many times a loop leads on to one that can read the same text: the exponent, less one. */
function longestChain(automaton: Automaton, loops: readonly Loop[], meets: Meets): number {
	const budget = { steps: MAX_STEPS };
	const leadsTo = (from: Loop, to: Loop) => from !== to && [...to.states].some((state) => from.reach.has(state));
	const links = loops.map((from) =>
		loops.filter((to) => leadsTo(from, to) && isLinked(automaton, from, to, meets, budget)),
	);
	const known = new Map<Loop, number>();
	const chain = (loop: Loop): number => {
		const before = known.get(loop);
		if (before !== undefined) return before;
		let longest = 0;
		loops.forEach((from, index) => {
			if (from !== loop && !leadsTo(loop, from)) return;
			for (const to of links[index] as Loop[]) longest = Math.max(longest, 1 + chain(to));
		});
		known.set(loop, longest);
		return longest;
	};
	return loops.reduce((longest, loop) => Math.max(longest, chain(loop)), 0);
}

/** Whether some text leads from a state p of one loop back to p, from p to a state q of the other, and from q back to q. */
function isLinked(automaton: Automaton, from: Loop, to: Loop, meets: Meets, budget: { steps: number }): boolean {
	for (const p of from.states)
		for (const q of to.states) if (hasBridge(automaton, from, to, p, q, meets, budget)) return true;
	return false;
}

function hasBridge(
	{ follow, sets }: Automaton,
	from: Loop,
	to: Loop,
	p: number,
	q: number,
	meets: Meets,
	budget: { steps: number },
): boolean {
	const size = sets.length;
	const seen = new Set<number>();
	const open: [number, number, number][] = [[p, p, q]];
	const after = (state: number, within?: Loop) =>
		[...(follow[state] as Map<number, number>).keys()].filter(
			(next) => within === undefined || within.states.has(next),
		);
	for (let triple = open.pop(); triple !== undefined; triple = open.pop()) {
		const thirds = after(triple[2], to);
		const seconds = after(triple[1]).filter((second) => thirds.some((third) => meets(second, third)));
		for (const first of after(triple[0], from)) {
			for (const second of seconds) {
				for (const third of thirds) {
					if (--budget.steps < 0)
						throw new PatternError("this pattern is too complicated to be checked: write several simpler ones");
					const key = (first * size + second) * size + third;
					if (seen.has(key) || !haveCommon(sets[first], sets[second], sets[third])) continue;
					if (first === p && second === q && third === q) return true;
					seen.add(key);
					open.push([first, second, third]);
				}
			}
		}
	}
	return false;
}

function haveCommon(a?: Uint8Array, b?: Uint8Array, c?: Uint8Array): boolean {
	for (let code = 0; code <= 256; code++) if (a?.[code] && b?.[code] && c?.[code]) return true;
	return false;
}
