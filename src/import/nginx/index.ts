/** `clawgate import nginx`: an nginx configuration as a routes.yaml. */
import { isDeepStrictEqual } from "node:util";
import { clientAddress } from "./client-address.ts";
import type { ImportContext } from "./context.ts";
import type { Directive } from "./directive.ts";
import { leftOut } from "./known-directives.ts";
import { listeners } from "./listeners.ts";
import { load } from "./load.ts";
import { type Note, Notes } from "./notes.ts";
import { type ImportedRoute, writeResult } from "./result.ts";
import type { Origin, Row } from "./row.ts";
import { Scope } from "./scope.ts";
import { socketRows } from "./server-routes.ts";
import { readSockets, type Socket } from "./sockets.ts";
import { tidy } from "./tidy.ts";
import { Upstreams } from "./upstreams.ts";
import { Variables } from "./variables.ts";

export { NginxSyntaxError } from "./directive.ts";
export { formatNotes, type Note, summarise } from "./notes.ts";
export type { ImportedRoute } from "./result.ts";

export interface ImportOptions {
	/** Only addresses that have the same routes as this one (`8080`, `127.0.0.1:8080`); by default those with the most. */
	readonly listen?: string | undefined;
}

export interface Imported {
	/** The routes.yaml; undefined when nothing is passed on to a backend. */
	readonly text: string | undefined;
	readonly routes: readonly ImportedRoute[];
	readonly notes: readonly Note[];
	/** Every server and location that was looked at, also those without a route in the end. */
	readonly blocks: readonly Origin[];
}

/** The rows of one address, and what was noted on the way. */
interface Candidate {
	readonly socket: Socket;
	/** All rows, before those without effect were taken out. */
	readonly all: readonly Row[];
	readonly rows: readonly Row[];
	readonly upstreams: Upstreams;
	readonly notes: Notes;
}

/**
 * Translates a configuration.
 * @param file the main file, or a file with what `nginx -T` printed; relative to `cwd`
 * @throws NginxSyntaxError when it cannot be read or is not one
 */
export function importNginx(file: string, cwd: string, options: ImportOptions = {}): Imported {
	const notes = new Notes();
	const config = load(file, cwd, notes);
	const http = httpScope(config.directives);
	for (const other of config.directives.filter(({ name }) => name === "stream" || name === "mail")) {
		notes.add(other, leftOut(other)?.words ?? "", "refused");
	}
	const sockets = readSockets(http, notes);
	const candidates = sockets.map((socket): Candidate => {
		const context: ImportContext = {
			http,
			variables: new Variables(http),
			upstreams: new Upstreams(http, config.folder),
			notes: new Notes(),
			folder: config.folder,
			arrival: { ssl: socket.ssl, port: socket.port },
		};
		const all = socketRows(socket, context);
		return { socket, all, rows: tidy(all), upstreams: context.upstreams, notes: context.notes };
	});
	const usable = candidates.filter(isUsable);
	const wanted =
		options.listen === undefined ? undefined : usable.find(({ socket }) => isAddress(socket, options.listen as string));
	const main = options.listen === undefined ? mostRoutes(usable) : wanted;
	if (main === undefined) {
		for (const candidate of candidates) notes.addAll(candidate.notes.list());
		return { text: undefined, routes: [], notes: notes.list(), blocks: [] };
	}
	const group = usable.filter(({ rows, upstreams }) => sameDecisions({ rows, upstreams }, main));
	for (const { notes: own } of group) notes.addAll(own.list());
	noteOthers(candidates, group, notes);
	const servers = [...new Set(group.flatMap(({ socket }) => socket.servers.map(({ scope }) => scope)))];
	noteLeftOut(http, servers, main.rows, notes);
	const client = clientAddress(servers, notes);
	const { text, routes } = writeResult({
		file: config.file,
		listeners: listeners(
			group.map(({ socket }) => socket),
			http,
			config.folder,
			client.proxyProtocol,
			notes,
		),
		client,
		upstreams: main.upstreams,
		rows: main.rows,
	});
	noteAlways(main.rows, notes);
	return { text, routes, notes: notes.list(), blocks: [...new Set(main.all.map(({ origin }) => origin))] };
}

/** The `http` block; a file of its own with servers in it is taken for what an `http` block includes. */
function httpScope(directives: readonly Directive[]): Scope {
	const blocks = directives.filter(({ name }) => name === "http").flatMap(({ block = [] }) => block);
	return new Scope([
		...blocks,
		...directives.filter(({ name }) => name !== "http" && name !== "stream" && name !== "mail"),
	]);
}

function isUsable({ rows }: Candidate): boolean {
	return rows.some(({ fields }) => fields !== undefined);
}

function mostRoutes(candidates: readonly Candidate[]): Candidate | undefined {
	const count = ({ rows }: Candidate) => rows.filter(({ fields }) => fields !== undefined).length;
	return candidates.reduce<Candidate | undefined>((best, one) => {
		if (best === undefined || count(one) > count(best)) return one;
		return count(one) === count(best) && one.socket.ssl && !best.socket.ssl ? one : best;
	}, undefined);
}

function isAddress({ address, port }: Socket, wanted: string): boolean {
	return (
		address === wanted ||
		String(port) === wanted ||
		`0.0.0.0${wanted.startsWith(":") ? wanted : `:${wanted}`}` === address
	);
}

/** Routes have no listener among their conditions: only addresses that decide alike can be together. */
function sameDecisions(a: Pick<Candidate, "rows" | "upstreams">, b: Pick<Candidate, "rows" | "upstreams">): boolean {
	const plain = ({ rows }: Pick<Candidate, "rows">) => rows.map(({ match, fields }) => ({ match, fields }));
	return isDeepStrictEqual(plain(a), plain(b)) && isDeepStrictEqual(a.upstreams.list(), b.upstreams.list());
}

function noteOthers(candidates: readonly Candidate[], group: readonly Candidate[], notes: Notes): void {
	for (const candidate of candidates) {
		const { directive, address, port } = candidate.socket;
		if (group.includes(candidate)) continue;
		if (isUsable(candidate)) {
			notes.add(
				directive,
				`${address} leads elsewhere than the addresses in this result, and a route cannot tell listeners apart: import it with --listen ${port || address} for a second gateway`,
				"refused",
			);
		} else {
			notes.add(
				directive,
				`nothing on ${address} goes to a backend (redirects, files, refusals), so there is no listener for it: keep nginx there if clients need its answers`,
				"refused",
			);
		}
	}
}

/** Everything that has no counterpart, in the blocks that are part of the result. */
function noteLeftOut(http: Scope, servers: readonly Scope[], rows: readonly Row[], notes: Notes): void {
	const proxied = new Set(
		rows.filter(({ fields }) => fields !== undefined).map(({ origin }) => `${origin.file}:${origin.line}`),
	);
	const note = (directive: Directive): void => {
		const left = leftOut(directive);
		if (left !== undefined) notes.add(directive, left.words, left.effect);
	};
	const inside = (directives: readonly Directive[]): void => {
		for (const directive of directives) {
			if (directive.name !== "location") note(directive);
			else if (proxied.has(`${directive.file}:${directive.line}`)) inside(directive.block ?? []);
			else inside((directive.block ?? []).filter(({ name }) => name === "location"));
		}
	};
	inside(http.directives.filter(({ name }) => name !== "server"));
	for (const server of servers) inside(server.directives);
}

/** What is different in every configuration, once. */
function noteAlways(rows: readonly Row[], notes: Notes): void {
	const served = rows.filter(({ fields }) => fields !== undefined);
	const origin = firstPlace(served);
	if (origin === undefined) return;
	notes.add(
		{ ...origin, name: "Origin" },
		'nginx lets pages of every site connect, so allowed_origins is ["*"]: write the sites that may, or same-origin, into defaults.allowed_origins',
		"dropped",
	);
	const silent = firstPlace(served.filter(({ fields }) => idleOf(fields) === undefined));
	if (silent !== undefined) {
		notes.add(
			{ ...silent, name: "proxy_read_timeout" },
			"nginx's default of 60s, which cuts idle WebSockets, is not carried over: timeouts.idle is 1h, and pings find dead connections",
			"dropped",
		);
	}
}

function idleOf(fields: Row["fields"]): string | undefined {
	return (fields?.timeouts as { idle?: string } | undefined)?.idle;
}

/** The first place in the first file. */
function firstPlace(rows: readonly Row[]): { file: string; line: number } | undefined {
	const file = rows[0]?.origin.file;
	if (file === undefined) return undefined;
	const lines = rows.filter(({ origin }) => origin.file === file).map(({ origin }) => origin.line);
	return { file, line: Math.min(...lines) };
}
