/** `match.subprotocol`: tokens that the client offers. */
import { z } from "zod";
import { oneOrMany } from "../../options.ts";
import type { Matcher } from "./matcher.ts";

const token = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, {
	error: "expected a subprotocol token: letters, digits and !#$%&'*+-.^_`|~, without spaces or commas",
});

const options = {
	subprotocol: oneOrMany(token)
		.optional()
		.meta({ description: "a subprotocol that the client offers in Sec-WebSocket-Protocol; any of them" }),
};

/** `match.subprotocol`; the case counts (RFC 6455 §4.1). */
export const subprotocol: Matcher<typeof options> = {
	options,
	compile(config) {
		if (config.subprotocol === undefined) return undefined;
		const wanted = new Set(config.subprotocol);
		return {
			test: (request) => request.subprotocols.some((offered) => wanted.has(offered)),
			reason: () => `the client does not offer the subprotocol ${[...wanted].join(" or ")}`,
		};
	},
};
