/** Rows, upstreams and listeners as the data of a routes.yaml, with comments. */
import { isDeepStrictEqual } from "node:util";
import type { ClientAddress } from "./client-address.ts";
import type { ListenerFields } from "./listeners.ts";
import { EVERYBODY } from "./ranges.ts";
import type { Origin, Row } from "./row.ts";
import type { Upstreams } from "./upstreams.ts";
import { writeYaml } from "./write.ts";

/** A route of the result, and where it comes from. */
export interface ImportedRoute {
	readonly name: string;
	readonly origin: Origin;
	/** nginx answered these requests by itself. */
	readonly refused: boolean;
}

export interface ResultParts {
	readonly file: string;
	readonly listeners: readonly ListenerFields[];
	readonly client: ClientAddress;
	readonly upstreams: Upstreams;
	readonly rows: readonly Row[];
}

/** The upstream of refused routes. */
const REFUSED = "refused";
/** Settings that are written once when all routes have the same. */
const COMMON = ["request_headers", "response_headers", "timeouts", "retries", "underscore_headers"];

/** Writes the file. */
export function writeResult({ file, listeners, client, upstreams, rows }: ResultParts): {
	text: string;
	routes: ImportedRoute[];
} {
	const at = new Map<string, string>();
	const common = commonFields(rows);
	const names = new Map<string, number>();
	const used = new Set(rows.flatMap(upstreamsOf));
	const refuses = rows.some(({ fields }) => fields === undefined);
	const pools: Record<string, unknown> = {};
	let refused = REFUSED;
	while (upstreams.list().some(({ name }) => name === refused)) refused = `${refused}-by-nginx`;
	for (const { name, fields, from } of upstreams.list()) {
		if (!used.has(name)) continue;
		pools[name] = shortEndpoints(fields);
		if (from) at.set(`upstreams.${name}`, `${from.file}:${from.line}`);
	}
	if (refuses) {
		pools[refused] = { endpoints: [{ url: "ws://127.0.0.1:9", state: "maint" }] };
		at.set(`upstreams.${refused}`, "For what nginx answered by itself: nothing is ever sent here.");
	}
	const routes: ImportedRoute[] = [];
	const written = groupRefusals(rows).map((group, index) => {
		const [row] = group;
		const name = freeName(row, names);
		for (const { origin, fields } of group) routes.push({ name, origin, refused: fields === undefined });
		at.set(`routes.${index}`, group.map(commentOf).join("\n"));
		const fields = row.fields ?? { upstream: refused, deny: EVERYBODY };
		const own = Object.entries(fields).filter(([key]) => row.fields === undefined || common[key] === undefined);
		return { name, match: readable(group), ...Object.fromEntries(own) };
	});
	at.set(
		"defaults",
		"For all routes. nginx does not look at Origin, so any page may connect; better: [same-origin], or a list.",
	);
	at.set("listeners", "Where clients connect.");
	at.set("upstreams", "Groups of servers.");
	at.set("routes", "Tried in this order, the first match wins: the order in which nginx decides.");
	const data = {
		...(client.trusted.length > 0 && { trusted_proxies: client.trusted }),
		listeners,
		defaults: {
			allowed_origins: ["*"],
			...(client.trusted.length > 0 && client.header !== undefined && { client_ip_header: client.header }),
			...common,
		},
		upstreams: pools,
		routes: written,
	};
	const head = [
		`Made from ${file} by: clawgate import nginx`,
		"What could not be carried over was listed on standard error when it was made.",
		"See docs/migrating-from-nginx.md for what is different; clawgate check says whether this file is right.",
	].join("\n");
	return { text: writeYaml(data, { head, at }), routes };
}

function upstreamsOf({ fields }: Row): unknown[] {
	if (fields === undefined) return [];
	if ("upstream" in fields) return [fields.upstream];
	return (fields.split as { upstream: string }[]).map(({ upstream }) => upstream);
}

/** What every route that goes to a backend has alike. */
function commonFields(rows: readonly Row[]): Record<string, unknown> {
	const used = rows.flatMap(({ fields }) => (fields === undefined ? [] : [fields as Record<string, unknown>]));
	const [first] = used;
	if (first === undefined || used.length < 2) return {};
	const same = COMMON.filter(
		(key) => first[key] !== undefined && used.every((fields) => isDeepStrictEqual(fields[key], first[key])),
	);
	return Object.fromEntries(same.map((key) => [key, first[key]]));
}

/** An endpoint that is only a URL is written as that. */
function shortEndpoints(fields: { readonly endpoints: readonly { url: string }[] }): unknown {
	return {
		...fields,
		endpoints: fields.endpoints.map((endpoint) => (Object.keys(endpoint).length === 1 ? endpoint.url : endpoint)),
	};
}

type Group = readonly [Row, ...Row[]];

/** Refused paths that follow each other are one route. */
function groupRefusals(rows: readonly Row[]): Group[] {
	const groups: [Row, ...Row[]][] = [];
	const others = ({ match: { path, ...rest }, fields }: Row) => (path === undefined || fields ? undefined : rest);
	for (const row of rows) {
		const last = groups.at(-1);
		const same = last && others(row) !== undefined && isDeepStrictEqual(others(last[0]), others(row));
		if (same) last.push(row);
		else groups.push([row]);
	}
	return groups;
}

/** One host is written without a list. */
function readable(group: Group): unknown {
	const [{ match }] = group;
	if (group.length > 1) return { ...match, path: group.map((row) => row.match.path) };
	const { host, client_ip: clientIp, ...rest } = match;
	const short = (list: readonly string[]) => (list.length === 1 ? list[0] : list);
	if (Object.keys(match).length === 0) return { path_prefix: "/" };
	return { ...(host && { host: short(host) }), ...rest, ...(clientIp && { client_ip: short(clientIp) }) };
}

/** @param taken names with the number that the next one of the same base gets */
function freeName({ match, origin, fields }: Row, taken: Map<string, number>): string {
	const host = match.host?.[0] ?? (match.headers?.Host === undefined ? "" : "pattern");
	const label = origin.label === "" ? "/" : origin.label;
	const base = `${host}${label.startsWith("/") || host === "" ? "" : " "}${label}${fields === undefined ? " (refused)" : ""}`;
	const plain = base.replace(/\p{C}/gu, "").slice(0, 110);
	for (let number = taken.get(plain) ?? 1; ; number++) {
		const name = number === 1 ? plain : `${plain} ${number}`;
		if (number > 1 && taken.has(name)) continue;
		taken.set(plain, number + 1);
		if (name !== plain) taken.set(name, 2);
		return name;
	}
}

function commentOf({ origin, fields, reason }: Row): string {
	const from = `${origin.file}:${origin.line}: ${origin.text}`;
	return fields === undefined
		? `${from} – answered by nginx itself${reason ? ` (${reason})` : ""}, refused here`
		: from;
}
