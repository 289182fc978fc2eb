/** `retries` of a route: when another endpoint is tried. */
import { z } from "zod";
import type { RetryCondition } from "../errors.ts";

const WORDS = ["connect_failure", "handshake_timeout", "bad_handshake"] as const;
const EXPECTED = `expected ${WORDS.join(", ")} or a status from 500 to 599`;

const condition = z
	.union(
		[
			z.enum(WORDS),
			z.string().regex(/^5\d\d$/, { error: EXPECTED }),
			z.int().min(500, { error: EXPECTED }).max(599, { error: EXPECTED }),
		],
		{
			error: EXPECTED,
		},
	)
	.transform((value) => String(value) as RetryCondition);

export const retryOptions = z.strictObject({
	attempts: z
		.int()
		.min(1, { error: "attempts counts every try, so it is at least 1 (no retry)" })
		.max(100)
		.prefault(3)
		.meta({ description: "How many endpoints are tried in all; 1 means no retry." }),
	on: z.array(condition).prefault(["connect_failure", "handshake_timeout", "bad_handshake", "502", "503", "504"]).meta({
		description:
			"What leads to another try: `connect_failure` (with TLS), `handshake_timeout`, `bad_handshake`, or a 5xx status of the backend. Never after the 101.",
	}),
});
