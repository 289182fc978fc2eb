/** How connections are closed when they have to go: `drain` of a route, and of `shutdown`. */
import { z } from "zod";
import { closeCodeOr, closeReason, finiteTimer, span } from "./values.ts";

export const drainOptions = z
	.strictObject({
		timeout: finiteTimer.prefault("30s").meta({
			description:
				"After this time what is still open is cut off without waiting for a Close reply. A frame that is under way may take so long to its end.",
		}),
		spread: span.prefault("20s").meta({
			description:
				"Connections are closed one by one over this time, in random order, so that clients do not all come back at once. Never longer than `timeout`; `0s` closes all at once.",
		}),
		close_code: closeCodeOr("none").prefault(1001).meta({
			description:
				"Code of the Close frame; `none` ends connections without one. 1012, “service restart”, says it better than 1001, but many client libraries take it for a protocol error: see clients.md.",
		}),
		reason: closeReason
			.prefault("service restart")
			.meta({ description: "Text of the Close frame, at most 123 bytes." }),
	})
	.transform((drain) => ({ ...drain, spread: Math.min(drain.spread, drain.timeout) }));
