/** `proxy_*_timeout` and `proxy_next_upstream` as `timeouts` and `retries`. */
import type { Notes } from "./notes.ts";
import type { Scope } from "./scope.ts";
import { durationText, parseTime, timerText } from "./units.ts";

/** Clawgate's own time for a handshake. */
const HANDSHAKE_MS = 10_000;
/** Clawgate's own number of tries. */
const ATTEMPTS = 3;

/** The times that are written; nginx's defaults are not carried over. */
export function timeouts(scope: Scope): Record<string, string> {
	const time = (name: string): number | undefined => {
		const text = scope.find(name)?.args.join(" ");
		const ms = text === undefined ? undefined : parseTime(text);
		return ms === 0 ? undefined : ms;
	};
	const [connect, read, send] = ["proxy_connect_timeout", "proxy_read_timeout", "proxy_send_timeout"].map(time);
	const fields: Record<string, string> = {};
	if (connect !== undefined) fields.connect = durationText(connect);
	if (connect !== undefined && connect >= HANDSHAKE_MS) fields.handshake = durationText(connect + HANDSHAKE_MS);
	else if (read !== undefined && read < HANDSHAKE_MS) fields.handshake = durationText(read);
	if (read !== undefined) fields.idle = timerText(Math.max(read, send ?? 0));
	return fields;
}

/** When another server is tried; Clawgate's own rule where nothing is written. */
export function retries(scope: Scope, servers: number, notes: Notes): Record<string, unknown> {
	const directive = scope.find("proxy_next_upstream");
	const words = directive?.args ?? [];
	if (words.includes("off")) return { attempts: 1 };
	const tries = Number(scope.value("proxy_next_upstream_tries") ?? 0);
	// nginx tries every server once.
	const attempts = tries > 0 ? tries : Math.min(100, servers);
	const on = words.flatMap((word) => {
		// A connection that ends before the answer is an error too.
		if (word === "error") return ["connect_failure", "bad_handshake"];
		if (word === "timeout") return ["handshake_timeout"];
		if (word === "invalid_header") return ["bad_handshake"];
		return /^http_5\d\d$/.test(word) ? [word.slice(5)] : [];
	});
	const left = words.filter((word) => /^http_4|^non_idempotent$|^updating$/.test(word));
	if (directive && left.length > 0) {
		notes.add(
			directive,
			`${left.join(" and ")}: there is no other try after a 4xx, nor for a request with a body`,
			"status",
		);
	}
	return {
		...((tries > 0 || attempts > ATTEMPTS) && { attempts }),
		...(directive && on.length > 0 && { on: [...new Set(on)] }),
	};
}
