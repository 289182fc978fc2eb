/** Keys of a route that mean nothing where connections end in a hub, and those that mean something only there. */

import { FIRST_MESSAGE } from "../../policy/token-source.ts";
import { tunnelLimitOptions } from "../../tunnel/limits-options.ts";
import type { KeyPath, Problem } from "../problem.ts";
import { type Found, isMap, mapsAt, type RawMap, valuesAt } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

/** Of a backend's connection; with a dot, of a map in the route. */
const NO_USE = [
	"rewrite",
	"request_headers",
	"http",
	"retries",
	"ping",
	"timeouts.connect",
	"close_codes.backend_lost",
	"close_codes.client_lost",
	"auth.jwt.forward_claims",
	"auth.forward.copy_headers",
];
/** What one connection may do is `limits` of the hub. */
const TUNNEL_LIMITS = Object.keys(tunnelLimitOptions).map((key) => `limits.${key}`);

export const hubRoutes: Check = (context) => [
	...mapsAt(context.data, "routes.*").flatMap((route) => [
		...withoutUse(context, route),
		...firstMessage(context, route),
	]),
	...mapsAt(context.data, "defaults").flatMap(({ value }) =>
		firstMessages(value).map((path) =>
			context.source.problem(
				["defaults", ...path],
				"first_message is for routes that end in a hub; write it there, not for all routes",
			),
		),
	),
];

function withoutUse({ source }: CheckContext, { path: route, value }: Found<RawMap>): Problem[] {
	if (value.hub === undefined) return [];
	const found = (keys: readonly string[]): KeyPath[] =>
		keys.flatMap((key) => valuesAt(value, key)).map(({ path }) => [...route, ...path]);
	return [
		...found(NO_USE).map((path) =>
			source.problem(path, `${path.at(-1)} is about a backend's connection; this route ends in a hub`, { onKey: true }),
		),
		...found(TUNNEL_LIMITS).map((path) =>
			source.problem(path, `${path.at(-1)} is for routes that lead to an upstream; a hub has limits of its own`, {
				onKey: true,
			}),
		),
	];
}

/** A token that comes when the connection is open needs a protocol that brings it: elsewhere nobody would ask for one. */
function firstMessage({ source }: CheckContext, { path, value }: Found<RawMap>): Problem[] {
	const { hub } = value;
	const plain = isMap(hub) && hub.protocol === "plain";
	if (hub !== undefined && !plain) return [];
	const message = plain
		? "the plain protocol has no message with a token; take it from the handshake, such as { query: token }"
		: "first_message is possible only where the route ends in a hub";
	return firstMessages(value).map((at) => source.problem([...path, ...at], message));
}

function firstMessages(route: unknown): KeyPath[] {
	return valuesAt(route, "auth.jwt.from.*").flatMap(({ path, value }) => (value === FIRST_MESSAGE ? [path] : []));
}
