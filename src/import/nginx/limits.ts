/** `limit_conn` and `limit_req` as `limits`. */
import { type Directive, keyValues } from "./directive.ts";
import type { Notes } from "./notes.ts";
import type { Scope } from "./scope.ts";

/** Keys of `limits`. */
export type LimitFields = Record<string, unknown>;

const CLIENT = /^\$(?:binary_)?remote_addr$/;
const WHOLE = /^\$(?:server_name|host|http_host|server_port)$/;

/** The limits that hold in a location. */
export function limits(scope: Scope, http: Scope, notes: Notes): LimitFields {
	const fields: LimitFields = {};
	for (const directive of scope.all("limit_conn")) {
		const [zone = "", count = ""] = directive.args;
		const key = zoneKey(http, "limit_conn_zone", zone)?.args[0] ?? "";
		if (!/^[1-9]\d{0,8}$/.test(count)) {
			notes.add(directive, `${count || "nothing"} is not a number of connections`, "status");
			continue;
		}
		if (CLIENT.test(key)) fields.connections_per_ip = Number(count);
		else if (WHOLE.test(key)) fields.connections = Number(count);
		else {
			notes.add(
				directive,
				`${key || zone} cannot be counted: see limits.connections, connections_per_ip and connections_per_user`,
				"status",
			);
			continue;
		}
		notes.add(
			directive,
			"WebSocket connections are counted, for each route on its own; plain HTTP is not limited",
			"status",
		);
	}
	for (const directive of scope.all("limit_req")) limitRequests(directive, http, fields, notes);
	return fields;
}

function limitRequests(directive: Directive, http: Scope, fields: LimitFields, notes: Notes): void {
	const options = keyValues(directive.args);
	const zone = zoneKey(http, "limit_req_zone", options.get("zone") ?? "");
	const rate = /^rate=(\d+)r\/([sm])$/.exec(zone?.args.find((arg) => arg.startsWith("rate=")) ?? "");
	if (!zone || !rate || !CLIENT.test(zone.args[0] ?? "")) {
		notes.add(
			directive,
			"only requests of one client address can be counted: see limits.new_connections_per_ip",
			"status",
		);
		return;
	}
	// nginx's burst is what may wait besides the one that is served.
	fields.new_connections_per_ip = { rate: `${rate[1]}/${rate[2]}`, burst: Number(options.get("burst") ?? 0) + 1 };
	const waits =
		options.has("burst") && !options.has("nodelay") ? "; nothing is delayed, what is too much gets 429" : "";
	notes.add(
		directive,
		`opening handshakes are counted, for each route on its own; plain HTTP is not limited${waits}`,
		"status",
	);
}

function zoneKey(http: Scope, kind: string, name: string): Directive | undefined {
	return http
		.own(kind)
		.find(({ args }) => args.some((arg) => arg === `zone=${name}` || arg.startsWith(`zone=${name}:`)));
}
