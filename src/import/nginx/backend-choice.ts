/** A `proxy_pass` with a variable in it: one route for each of its values. */
import { readComparison } from "./conditions.ts";
import type { Directive } from "./directive.ts";
import { groupHasSlash } from "./patterns.ts";
import { type LocationRoute, type Passing, proxiedRoute } from "./proxied-route.ts";
import { parseTarget } from "./proxy-pass.ts";
import { outcomeOf } from "./refusals.ts";
import { both, type Match } from "./row.ts";
import type { Scope } from "./scope.ts";
import { referencesIn, type Share } from "./variables.ts";

/** Values of variables, by name. */
type Values = Readonly<Record<string, string>>;

interface ConditionalSet {
	readonly directive: Directive;
	readonly name: string;
	readonly value: string;
}

/** The routes of a `proxy_pass`, in order; the last one takes what is left. */
export function passRoutes(passing: Passing, values: Values = {}): LocationRoute[] {
	const { scope, context, directive } = passing;
	const { variables, arrival } = context;
	const raw = directive.args[0] ?? "";
	const changing = conditionalSets(scope).filter(
		({ name }) => referencesIn(raw).includes(name) && values[name] === undefined,
	);
	if (changing.length > 0) return conditionalRoutes(passing, changing, values);

	const text = variables.resolve(raw, scope, values);
	const { test } = passing.node;
	const target = parseTarget(text, (group) => {
		return raw.includes(`$${group}`) && test.kind === "regex" && groupHasSlash(test.pattern, group);
	});
	if (target) return proxiedRoute(passing, target);
	const [name] = referencesIn(text.replace(/^(https?:\/\/[^/]*).*$/, "$1"));
	if (name === undefined) return closed(passing, "this is no address");
	const shares = variables.shares(name);
	if (shares) return sharedRoutes(passing, name, shares, values);
	const choices = variables.choices(name, arrival);
	if (choices === undefined || choices.some(({ value }) => /\$\d/.test(value)))
		return closed(passing, `the backend is $${name}, which only nginx knows`);
	const routes: LocationRoute[] = [];
	for (const { when, value } of choices) {
		if (when === "never" || when === "unknown") continue;
		const chosen =
			value === "" ? closed(passing, `$${name} can be empty`) : passRoutes(passing, { ...values, [name]: value });
		if (when === "always") return [...routes, ...chosen];
		routes.push(...onlyWhen(when, chosen));
	}
	return routes;
}

/** The same routes for requests that match one of `when` only. */
export function onlyWhen(when: readonly Match[], routes: readonly LocationRoute[]): LocationRoute[] {
	return when.flatMap((match) =>
		routes.flatMap((route): LocationRoute[] => {
			const whole = both(route.match, match);
			if (whole === "never") return [];
			if (whole !== "unwritable") return [{ ...route, match: whole }];
			return [{ match, fields: undefined, reason: "its conditions cannot be said in one route" }];
		}),
	);
}

function closed({ directive, context }: Passing, problem: string): LocationRoute[] {
	const words = `${problem}, so its requests are refused: write a route for each backend by hand`;
	context.notes.add(directive, words, "refused");
	return [{ match: {}, fields: undefined, reason: `proxy_pass ${directive.args[0] ?? ""}` }];
}

/** `if (…) { set $name value; }`, in the blocks around too. */
function conditionalSets(scope: Scope | undefined): ConditionalSet[] {
	if (scope === undefined) return [];
	const own = scope
		.own("if")
		.flatMap((directive) =>
			(directive.block ?? [])
				.filter(({ name }) => name === "set")
				.map(({ args }) => ({ directive, name: (args[0] ?? "").slice(1), value: args[1] ?? "" })),
		);
	return [...conditionalSets(scope.parent), ...own];
}

function conditionalRoutes(passing: Passing, changing: readonly ConditionalSet[], values: Values): LocationRoute[] {
	const { context, scope } = passing;
	const special: LocationRoute[] = [];
	// A later one wins, so it comes first.
	for (const { directive, name, value } of changing.toReversed()) {
		const comparison = readComparison(directive.args);
		const outcome = comparison === undefined ? "unknown" : outcomeOf(comparison, context);
		if (outcome === "unknown") {
			return closed(passing, `$${name} is set by a condition that cannot be said in a route`);
		}
		if (outcome === "never") continue;
		const routes = passRoutes(passing, { ...values, [name]: value });
		if (outcome === "always") return [...special, ...routes];
		special.push(...onlyWhen(outcome, routes));
	}
	const { name } = changing[0] as ConditionalSet;
	const usual = context.variables.resolve(`$${name}`, scope);
	return [...special, ...passRoutes(passing, { ...values, [name]: usual })];
}

/** `split_clients` */
function sharedRoutes(passing: Passing, name: string, shares: readonly Share[], values: Values): LocationRoute[] {
	const { scope, directive, context } = passing;
	const split: { upstream: unknown; weight: number }[] = [];
	let last: LocationRoute[] = [];
	for (const { percent, value } of shares) {
		const text = context.variables.resolve(directive.args[0] ?? "", scope, { ...values, [name]: value });
		const target = parseTarget(text);
		last = target ? proxiedRoute(passing, target) : [];
		const upstream = last[0]?.fields?.upstream;
		if (upstream === undefined) return closed(passing, `$${name} has values that are no address`);
		split.push({ upstream, weight: percent });
	}
	context.notes.add(
		directive,
		"shares are drawn anew for each new client and kept by a cookie, not by the client's address",
		"backend",
	);
	return last.map(({ match, fields }) => {
		const { upstream: _, ...others } = fields ?? {};
		return { match, fields: { split, split_cookie: {}, ...others } };
	});
}
