/** A server block as rows, in the order in which nginx decides. */
import { pathProblem } from "../../routing/paths.ts";
import type { ImportContext, ServerContext } from "./context.ts";
import { orderLocations, type PathTest } from "./location-order.ts";
import { locationRoutes, redirectsToSlash } from "./location-routes.ts";
import { locationTree } from "./location-tree.ts";
import { exactPath, hasOneSpelling, pathPattern } from "./path-spelling.ts";
import { withEnd } from "./patterns.ts";
import { refusals } from "./refusals.ts";
import { both, type Match, type Origin, type Row } from "./row.ts";
import { orderServers, type Placed, serverName } from "./server-names.ts";
import type { Socket, SocketServer } from "./sockets.ts";

/** All rows of an address. */
export function socketRows(socket: Socket, context: ImportContext): Row[] {
	return orderServers(socket.servers, context.notes)
		.flatMap((placed) => serverRows(placed, context))
		.map(guardAgainstNewline);
}

/** PCRE's `$` also fits before a newline at the end: `/admin%0A` must not get around what guards `/admin$`. */
function guardAgainstNewline(row: Row): Row {
	const { match, fields } = row;
	const guards = fields === undefined || ["allow", "deny", "auth"].some((key) => key in fields);
	if (!guards || !match.path_regex?.includes("$")) return row;
	return { ...row, match: { ...match, path_regex: withEnd(match.path_regex, "(?:%0A)?$") } };
}

function serverRows({ server, match: host, closed: unreadable }: Placed<SocketServer>, context: ImportContext): Row[] {
	const { notes } = context;
	const { file, line, endLine } = server.directive;
	const origin: Origin = { file, line, endLine, text: "server", label: "" };
	const rest = (reason: string): Row => ({ match: host, origin, fields: undefined, reason });
	if (unreadable !== undefined) return [rest(unreadable)];
	const { refusals: refused, closed } = refusals(server.scope, context);
	const rows: Row[] = [];
	const add = (match: Match | "never" | "unwritable", row: Omit<Row, "match">): void => {
		if (match === "never") return;
		if (match !== "unwritable") rows.push({ ...row, match });
		else
			notes.add(
				{ file: row.origin.file, line: row.origin.line, name: row.origin.text },
				"its conditions cannot be said in one route: write it by hand",
				"backend",
			);
	};
	for (const { match, reason } of refused) {
		const whole = both(host, match);
		add(whole, { origin, fields: undefined, reason });
		// What was to be refused and cannot be told apart takes the rest of the server with it.
		if (whole === "unwritable") return [...rows, rest(reason)];
	}
	if (closed !== undefined) return [...rows, rest(closed)];

	const locations = locationTree(server.scope, notes);
	const serverContext: ServerContext = { ...context, server, locations, serverName: serverName(server.names) };
	const ordered = orderLocations(locations, redirectsToSlash);
	const decided = new Set<string>();
	for (const { test, node, redirect } of ordered) {
		const path = both(host, pathMatch(test, decided));
		if (test.kind === "exact" && !redirect) decided.add(test.path);
		if (typeof path === "string") {
			add(path, { origin: node.origin, fields: undefined });
			if (path === "never") continue;
			return [...rows, rest(`location ${node.origin.label}`)];
		}
		if (redirect) {
			const words = `redirect to ${node.origin.label}`;
			notes.add(
				{ file: node.origin.file, line: node.origin.line, name: node.origin.text },
				`nginx redirects ${node.origin.label.slice(0, -1)}, without the slash, to it; Clawgate refuses that: ask for it with the slash`,
				"refused",
			);
			add(path, { origin: node.origin, fields: undefined, reason: words });
			continue;
		}
		for (const { match, fields, reason } of locationRoutes(node, serverContext)) {
			const whole = both(path, match);
			// What was to be refused and cannot be told apart takes the rest of the location with it.
			if (whole === "unwritable" && fields === undefined) {
				add(whole, { origin: node.origin, fields });
				add(path, { origin: node.origin, fields, reason });
				break;
			}
			add(whole, { origin: node.origin, fields, reason });
		}
	}
	return [...rows, rest("no location")];
}

/** @param decided paths that have a row of their own already */
function pathMatch(test: PathTest, decided: ReadonlySet<string>): Match {
	switch (test.kind) {
		case "regex":
			return { path_regex: test.source };
		case "exact":
			return exactPath(test.path);
		default: {
			if (test.path === "/" || test.path === "") return { path_prefix: "/" };
			const whole = test.path.slice(0, -1);
			// A prefix of segments has the path without the slash too; that one is decided already.
			const plain = pathProblem(test.path) === undefined && hasOneSpelling(test.path);
			if (test.path.endsWith("/") && decided.has(whole) && plain) return { path_prefix: whole };
			return { path_regex: `^${pathPattern(test.path)}` };
		}
	}
}
