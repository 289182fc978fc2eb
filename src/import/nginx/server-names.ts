/**
 * Which server block a host goes to. nginx: an exact name, then the longest `*.name`, then the longest `name.*`, then the
 * first regular expression, then the default server of the address. Here the same as an order of server blocks.
 */
import { splitHost } from "../../protocol/target.ts";
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import { escapePattern, patternText, translatePattern, withEnd } from "./patterns.ts";
import type { Match } from "./row.ts";

type Name =
	| { readonly kind: "exact" | "leading" | "trailing"; readonly text: string }
	| { readonly kind: "regex"; readonly source: string; readonly closed: string | undefined };

/** A server block as far as its names go. */
export interface Named {
	/** Its `server_name` directives. */
	readonly names: readonly Directive[];
	readonly isDefault: boolean;
}

/** A server block at one place of the order; a block with several kinds of names can have several places. */
export interface Placed<T> {
	readonly server: T;
	/** Empty for the default server: every host that is left. */
	readonly match: Match;
	/** Why these hosts are refused: nobody can say whether they are this server's. */
	readonly closed?: string | undefined;
}

/** Orders the servers of one address; the first match wins. */
export function orderServers<T extends Named>(servers: readonly T[], notes: Notes): Placed<T>[] {
	const read = new Map(servers.map((server) => [server, readNames(server.names, notes)]));
	const fallback = servers.find(({ isDefault }) => isDefault) ?? servers[0];
	const only = servers.length === 1;
	const texts = (server: T, kind: "exact" | "leading" | "trailing"): string[] =>
		(read.get(server) as Name[]).flatMap((name) => (name.kind === kind ? [name.text] : []));
	const byLength = (a: { text: string }, b: { text: string }) => b.text.length - a.text.length;
	const placed: (Placed<T> & { hosts?: string[] })[] = [];
	const listed = only ? [] : servers;

	for (const server of listed) {
		const hosts = texts(server, "exact");
		if (hosts.length > 0) placed.push({ server, match: { host: hosts }, hosts });
	}
	const leading = listed.flatMap((server) => texts(server, "leading").map((text) => ({ server, text }))).sort(byLength);
	for (const [index, { server, text }] of leading.entries()) {
		// Next to the server's exact names, as long as that takes no name from another server.
		const place = placed.find((other) => other.server === server && other.hosts !== undefined);
		const taken =
			listed.some((other) => other !== server && texts(other, "exact").some((name) => name.endsWith(text.slice(1)))) ||
			leading.slice(0, index).some((other) => other.server !== server && other.text.endsWith(text.slice(1)));
		if (place && !taken) place.hosts?.push(text);
		else placed.push({ server, match: { host: [text] }, hosts: [text] });
	}
	const trailing = listed
		.flatMap((server) => texts(server, "trailing").map((text) => ({ server, text })))
		.sort(byLength);
	for (const { server, text } of trailing) {
		const source = `(?i)^${escapePattern(text.slice(0, -1))}[^:]+`;
		placed.push({ server, match: { headers: { Host: { regex: source } } } });
	}
	for (const server of listed) {
		for (const name of read.get(server) as Name[]) {
			if (name.kind !== "regex") continue;
			placed.push({ server, match: { headers: { Host: { regex: name.source } } }, closed: name.closed });
		}
	}
	const hidden = placed.some(
		({ server, match, closed, hosts }) =>
			(server !== fallback || closed !== undefined) &&
			(match.headers !== undefined ||
				hosts?.some((wide) => placed.some((own) => own.server === fallback && isWider(wide, own.hosts)))),
	);
	const result = placed
		// The default server's own names lead to it anyway, unless a wildcard of another one would take them.
		.filter(({ server }) => hidden || server !== fallback)
		.map(({ server, match, closed, hosts }): Placed<T> => ({ server, closed, match: hosts ? { host: hosts } : match }));
	if (fallback !== undefined) result.push({ server: fallback, match: {} });
	return result;
}

function isWider(wide: string, names: readonly string[] | undefined): boolean {
	return wide.startsWith("*.") && (names ?? []).some((name) => name !== wide && name.endsWith(wide.slice(1)));
}

/** The first name that is one: what `$server_name` stands for. */
export function serverName(names: readonly Directive[]): string | undefined {
	const first = names.flatMap(({ args }) => args)[0];
	if (first === undefined || first === "_" || first.startsWith("~") || first.includes("*")) return undefined;
	return first.replace(/^\./, "");
}

/** A pattern for names as one for the Host header, which may have capitals and a port. */
export function hostHeaderPattern(source: string): string {
	return withEnd(source, "\\.?(?::\\d+)?$");
}

function readNames(directives: readonly Directive[], notes: Notes): Name[] {
	return directives.flatMap((directive) =>
		directive.args.flatMap((text): Name[] => {
			const name = text.toLowerCase();
			if (text.startsWith("~")) {
				const translated = translatePattern(text.slice(1), true, "header");
				const source = hostHeaderPattern(patternText(translated.pattern ?? translated.wider));
				const closed = translated.problem;
				if (closed !== undefined) {
					const words = "all hosts that it could match are refused: write the names one by one and import again";
					notes.add(directive, `${closed}; ${words}`, "refused");
				}
				return [{ kind: "regex", source, closed }];
			}
			if (name === "" || name === "_" || name.includes("$")) {
				if (name.includes("$"))
					notes.add(directive, "a name with a variable is not carried over: write it out", "backend");
				return [];
			}
			if (name.startsWith("."))
				return [
					{ kind: "exact", text: name.slice(1) },
					{ kind: "leading", text: `*${name}` },
				];
			if (name.startsWith("*.")) return [{ kind: "leading", text: name }];
			if (name.endsWith(".*")) return [{ kind: "trailing", text: name }];
			// Names that no client can ask for (`--`, `!`) are a way to have none.
			return splitHost(name) !== undefined && /[a-z0-9]/.test(name) ? [{ kind: "exact", text: name }] : [];
		}),
	);
}
