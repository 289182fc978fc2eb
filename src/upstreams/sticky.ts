/** Stickiness: what binds a client to an endpoint beyond one connection. The option `sticky` and its factory. */
import { z } from "zod";
import type { Policy } from "./balance/policy.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Sticky } from "./sticky/affinity.ts";
import { createCookieSticky } from "./sticky/cookie.ts";
import { stickyCookieOptions } from "./sticky/cookie_options.ts";
import { createSocketIoSticky } from "./sticky/socketio.ts";
import type { Sessions } from "./sticky/table.ts";

/** `socketio`, or `{ cookie: { … } }`. */
export const stickyOptions = z.union(
	[
		z.literal("socketio").meta({ description: "Every request of a Socket.IO session goes to one endpoint." }),
		z.strictObject({ cookie: stickyCookieOptions.meta({ description: "A cookie names the client's endpoint." }) }),
	],
	{ error: "expected socketio or { cookie: { … } }" },
);

export type StickyConfig = z.output<typeof stickyOptions>;

/** What stickiness needs of its upstream. */
export interface StickyParts {
	readonly upstream: string;
	readonly endpoints: readonly Endpoint[];
	/** The upstream's own policy. */
	readonly policy: Policy;
	/** Key of the cookies' values where the config has none: the same on every gateway and after a restart. */
	readonly secret: Buffer;
	/** The table of sessions, which outlives a reload; asked for only when it is needed. */
	readonly table: () => Sessions;
}

/** Makes what a `sticky` option asks for. */
export function createSticky(config: StickyConfig, parts: StickyParts): Sticky {
	if (config === "socketio") return createSocketIoSticky(parts.endpoints, parts.policy, parts.table());
	return createCookieSticky(config.cookie, parts.upstream, parts.endpoints, parts.secret);
}
