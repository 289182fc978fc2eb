/** How connections are closed when they have to go: `drain` of a route, and of `shutdown`. */
import { z } from "zod";
import { closeCode, closeReason, finiteTimer, span } from "./values.ts";

export const drainOptions = z
	.strictObject({
		timeout: finiteTimer
			.prefault("30s")
			.meta({ description: "After this time what is still open is cut off without waiting for a Close reply." }),
		spread: span.prefault("20s").meta({
			description:
				"Connections are closed one by one over this time, in random order, so that clients do not all come back at once. Never longer than `timeout`; `0s` closes all at once.",
		}),
		close_code: closeCode.prefault(1012).meta({
			description:
				"Code of the Close frame. 1012 is “service restart”; older .NET clients take 1012 to 1014 for a protocol error, and Phoenix LiveView takes 1001 for “the user left”.",
		}),
		reason: closeReason
			.prefault("service restart")
			.meta({ description: "Text of the Close frame, at most 123 bytes." }),
	})
	.transform((drain) => ({ ...drain, spread: Math.min(drain.spread, drain.timeout) }));
