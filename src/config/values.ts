/** Value types that several sections of routes.yaml use: timers, close codes, names, files. */
import { z } from "zod";
import { duration, finiteDuration } from "../options.ts";
import { NO_CLOSE_FRAME } from "../tunnel/report.ts";

/** Node's timers take a signed 32-bit number of milliseconds; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;
const TOO_LONG = { error: "at most 596h is possible; write off for no limit" };
const NOT_ZERO = { error: "has to be longer than 0; write off to switch it off" };

const fits = (ms: number) => ms <= LONGEST_MS || ms === Number.POSITIVE_INFINITY;

/** A timer that may be `off`: milliseconds above 0, or `OFF`. */
export const timer = duration.refine((ms) => ms > 0, NOT_ZERO).refine(fits, TOO_LONG);

/** A timer that has to end: milliseconds above 0. */
export const finiteTimer = finiteDuration
	.refine((ms) => ms > 0, { error: "has to be longer than 0" })
	.refine(fits, { error: "at most 596h is possible" });

/** A span of time that may be 0, in milliseconds. */
export const span = finiteDuration.refine(fits, { error: "at most 596h is possible" });

/** What a listener, route or upstream may be called; it becomes a log field and a metric label. */
export const nameText = z
	.string()
	.regex(/^[^\p{C}]{1,128}$/u, { error: "a name has 1 to 128 characters and no control characters" });

/** The name of a readable file; relative ones start at the config file's folder (see files.ts). */
export const filePath = z
	.string()
	.min(1, { error: "expected the name of a file" })
	.refine((path) => !path.includes("\0"), { error: "a file name cannot hold a NUL character" });

/** Whether a Close frame may carry `code` (RFC 6455 §7.4): 1004–1006 and 1015 never travel, 1000–2999 need a registration. */
export function isSendableCloseCode(code: number): boolean {
	if (code >= 3000) return code <= 4999;
	return code === 1000 || code === 1001 || code === 1003 || (code >= 1007 && code <= 1014);
}

const CLOSE_CODES = "expected a close code that may be sent: 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999";

/** A close code an operator may choose. */
export const closeCode = z
	.int({ error: CLOSE_CODES })
	.refine(isSendableCloseCode, { error: CLOSE_CODES })
	.meta({ minimum: 1000, maximum: 4999 });

/** A close code an operator may choose, or a word for the end without a Close frame. */
export function closeCodeOr<const Word extends string>(word: Word) {
	return z.union([z.literal(word), closeCode], { error: `${CLOSE_CODES}; or ${word}` });
}

/** As the code that stands for it in a tunnel: {@link NO_CLOSE_FRAME} for the word. */
export function tunnelCloseCode(chosen: number | string): number {
	return typeof chosen === "number" ? chosen : NO_CLOSE_FRAME;
}

/** A close reason: a control frame holds 125 bytes, two of them are the code (RFC 6455 §5.5). */
export const closeReason = z.string().refine((text) => Buffer.byteLength(text) <= 123, {
	error: "a close reason has at most 123 bytes of UTF-8 (RFC 6455 section 5.5)",
});
