/** Variables whose value is known, or depends on the request in a way that a `match` can say: `set`, `map`, `geo`, `split_clients`. */
import { type Arrival, type Comparison, type Outcome, whenTrue } from "./conditions.ts";
import type { Directive } from "./directive.ts";
import { escapePattern } from "./patterns.ts";
import type { Scope } from "./scope.ts";

/** One value of a variable, and when it has it; the first one whose `when` is true counts, `always` comes last. */
export interface Choice {
	readonly when: Outcome;
	readonly value: string;
	/** Fits none of the requests that the other exact ones fit. */
	readonly exact?: boolean;
}

/** A share of all clients, in percent. */
export interface Share {
	readonly percent: number;
	readonly value: string;
}

const REFERENCE = /\$(?:\{(\w+)\}|(\w+))/g;

/** What the http block says about variables. */
export class Variables {
	readonly #blocks: readonly Directive[];

	constructor(http: Scope) {
		this.#blocks = [...http.own("map"), ...http.own("geo"), ...http.own("split_clients")];
	}

	/** The text with everything that `set` makes constant put in. Variables that cannot be known stay. */
	resolve(text: string, scope: Scope, overrides: Readonly<Record<string, string>> = {}): string {
		let result = text;
		// A constant may be made of others; a circle is not possible in nginx, so a few rounds are enough.
		for (let round = 0; round < 5 && result.includes("$"); round++) {
			const next = result.replace(REFERENCE, (whole, braced?: string, plain?: string) => {
				const name = (braced ?? plain) as string;
				return overrides[name] ?? constant(name, scope) ?? whole;
			});
			if (next === result) break;
			result = next;
		}
		return result;
	}

	/** The values of a `map` or `geo` variable; undefined when it is none, or a condition of it cannot be said. */
	choices(name: string, arrival: Arrival): Choice[] | undefined {
		const block = this.#find(name, ["map", "geo"]);
		if (!block?.block) return undefined;
		const choices = block.name === "geo" ? geoChoices(block) : mapChoices(block, arrival);
		return choices.some(({ when }) => when === "unknown") ? undefined : choices;
	}

	/** The shares of a `split_clients` variable. */
	shares(name: string): Share[] | undefined {
		const block = this.#find(name, ["split_clients"])?.block;
		if (!block) return undefined;
		const shares = block.map((entry) => ({ percent: Number.parseFloat(entry.name), value: entry.args[0] ?? "" }));
		const given = shares.reduce((sum, { percent }) => sum + (Number.isNaN(percent) ? 0 : percent), 0);
		return shares.map(({ percent, value }) => ({
			percent: Number.isNaN(percent) ? Math.round((100 - given) * 100) / 100 : percent,
			value,
		}));
	}

	/** Whether it is the usual map from `$http_upgrade` to what goes into Connection. */
	isConnectionMap(name: string): boolean {
		const block = this.#find(name, ["map"]);
		return (
			block?.args[0] === "$http_upgrade" &&
			(block.block ?? []).every(({ args }) => /^(upgrade|close|keep-alive|)$/i.test(args[0] ?? ""))
		);
	}

	#find(name: string, kinds: readonly string[]): Directive | undefined {
		return this.#blocks.findLast((block) => kinds.includes(block.name) && block.args.at(-1) === `$${name}`);
	}
}

/** Names of the variables in a text. */
export function referencesIn(text: string): string[] {
	return [...text.matchAll(REFERENCE)].map(([, braced, plain]) => (braced ?? plain) as string);
}

function constant(name: string, scope: Scope | undefined): string | undefined {
	if (scope === undefined) return undefined;
	const own = scope.own("set").findLast(({ args }) => args[0] === `$${name}`);
	return own?.args[1] ?? constant(name, scope.parent);
}

/** Exact values first, then the patterns in order, then the default, as nginx looks them up. */
function mapChoices({ args, block = [] }: Directive, arrival: Arrival): Choice[] {
	const [source = ""] = args;
	const hostnames = block.some(({ name, args }) => name === "hostnames" && args.length === 0);
	const exact: Choice[] = [];
	const wildcards: (Choice & { length: number })[] = [];
	const patterns: Choice[] = [];
	let fallback = "";
	for (const { name: key, args } of block) {
		const [value] = args;
		if (value === undefined) continue;
		const compare = (op: Comparison["op"], text: string) => whenTrue({ subject: source, op, value: text }, arrival);
		if (key === "default") fallback = value;
		else if (key.startsWith("~")) {
			const ignoreCase = key.startsWith("~*");
			patterns.push({ when: compare(ignoreCase ? "~*" : "~", key.slice(ignoreCase ? 2 : 1)), value });
		} else if (hostnames && key.startsWith(".")) {
			wildcards.push({ when: [{ host: [key.slice(1), `*${key}`] }], value, length: key.length });
		} else if (hostnames && key.startsWith("*."))
			wildcards.push({ when: [{ host: [key] }], value, length: key.length });
		else {
			const text = key.startsWith("\\") ? key.slice(1) : key;
			// Texts of a map are compared without regard to case.
			const literal = text === "" || source === "$host" || source === "$scheme" || source === "$remote_addr";
			exact.push({
				when: literal ? compare("=", text) : compare("~*", `^${escapePattern(text)}$`),
				value,
				exact: true,
			});
		}
	}
	wildcards.sort((a, b) => b.length - a.length);
	return [...exact, ...wildcards, ...patterns, { when: "always", value: fallback }];
}

/** The narrowest range counts. */
function geoChoices({ args, block = [] }: Directive): Choice[] {
	// `geo $address $name`: another address than the client's.
	if (args.length !== 1) return [{ when: "unknown", value: "" }];
	const ranges: (Choice & { bits: number })[] = [];
	let fallback = "";
	for (const { name: range, args } of block) {
		const value = args[0] ?? "";
		if (range === "default") fallback = value;
		else if (/^[\d.]+(?:\/\d+)?$|:/.test(range)) {
			ranges.push({ when: [{ client_ip: [range] }], value, bits: Number(range.split("/")[1] ?? 128) });
		} else return [{ when: "unknown", value: "" }];
	}
	ranges.sort((a, b) => b.bits - a.bits);
	return [...ranges, { when: "always", value: fallback }];
}
