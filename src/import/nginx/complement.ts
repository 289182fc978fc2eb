/** The requests that none of some matches takes, as matches again: what `if ($allowed = 0)` asks of a `map` or `geo`. */
import { condition, escapePattern, matchesPattern, type Pattern, patternText } from "./patterns.ts";
import { outsideOf } from "./ranges.ts";
import { type Match, readPattern, type ValueTest, writable } from "./row.ts";

/** What all of the matches look at; nothing else may be in them. */
type Subject = "client_ip" | "path" | `header ${string}` | `query ${string}`;

/** @returns undefined when the matches look at different things, or there is no pattern for it */
export function complement(matches: readonly Match[]): Match[] | undefined {
	const subjects = new Set(matches.map(subjectOf));
	const [subject] = subjects;
	if (subjects.size !== 1 || subject === undefined) return undefined;
	if (subject === "client_ip") {
		const ranges = outsideOf(matches.flatMap(({ client_ip }) => client_ip ?? []));
		return ranges.length > 0 ? [{ client_ip: ranges }] : [];
	}
	if (subject === "path") {
		const regex = noneOf(matches.map(pathPattern));
		return regex === undefined ? undefined : [{ path_regex: regex }];
	}
	const [place, name] = subject.split(" ") as ["header" | "query", string];
	const tests = matches.map((match): ValueTest => {
		if (match.host) return { regex: hostPattern(match.host) };
		return Object.values((place === "header" ? match.headers : match.query) ?? {})[0] as ValueTest;
	});
	const field = (test: ValueTest): Match =>
		place === "header" ? { headers: { [name]: test } } : { query: { [name]: test } };
	if (tests.some((test) => isPresence(test, true))) {
		return tests.some((test) => isPresence(test, false)) ? [] : [field({ present: false })];
	}
	const patterns = tests.flatMap((test) => (isPresence(test, false) ? [] : [valuePattern(test)]));
	const regex = noneOf(patterns);
	if (regex === undefined) return undefined;
	// nginx takes a header that is not there for an empty one.
	const emptyTaken = patterns.some((pattern) => matchesPattern(pattern, ""));
	const absentTaken = emptyTaken || tests.some((test) => isPresence(test, false));
	return [...(absentTaken ? [] : [field({ present: false })]), field({ regex })];
}

function subjectOf({
	host,
	path,
	path_prefix: prefix,
	path_regex: regex,
	headers,
	query,
	client_ip: ip,
}: Match): Subject | undefined {
	const names = [
		...(host ? ["header Host" as const] : []),
		...(path !== undefined || regex !== undefined ? ["path" as const] : []),
		...Object.keys(headers ?? {}).map((name) => `header ${name}` as const),
		...Object.keys(query ?? {}).map((name) => `query ${name}` as const),
		...(ip ? ["client_ip" as const] : []),
	];
	return names.length === 1 && prefix === undefined ? names[0] : undefined;
}

function isPresence(test: ValueTest, present: boolean): boolean {
	return typeof test === "object" && "present" in test && test.present === present;
}

function valuePattern(test: ValueTest): Pattern {
	if (typeof test === "string") return { source: `^${escapePattern(test)}$`, ignoreCase: false };
	return readPattern((test as { regex: string }).regex);
}

function pathPattern({ path, path_regex: regex }: Match): Pattern {
	return path === undefined ? readPattern(regex as string) : { source: `^${escapePattern(path)}$`, ignoreCase: false };
}

/** Names as a pattern for the Host header. */
function hostPattern(names: readonly string[]): string {
	const sources = names.map((name) =>
		name.startsWith("*.") ? `[^:]+${escapePattern(name.slice(1))}` : escapePattern(name),
	);
	return `(?i)^(?:${sources.join("|")})\\.?(?::\\d+)?$`;
}

/** Texts that none of the patterns matches. */
function noneOf(patterns: readonly Pattern[]): string | undefined {
	const source = `^${patterns.map((pattern) => condition(pattern, true)).join("")}`;
	const pattern = { source, ignoreCase: false };
	return writable(pattern) ? patternText(pattern) : undefined;
}
