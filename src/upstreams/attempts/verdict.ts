/** What the outcome of an attempt says about its endpoint. */
import type { GatewayError } from "../../errors.ts";
import type { DialResult } from "../dial.ts";

/** For outlier detection and circuit breaker alike. `neutral`: nothing was learnt about the endpoint. */
export type Verdict =
	| { readonly kind: "success" }
	/** `provoked`: the request can have been the cause, as opposed to a connection that could not be made. */
	| { readonly kind: "failure"; readonly reason: string; readonly provoked?: boolean }
	/** `answered`: the endpoint is there all the same. */
	| { readonly kind: "neutral"; readonly answered?: boolean };

export const SUCCESS: Verdict = { kind: "success" };
export const NEUTRAL: Verdict = { kind: "neutral" };
const ANSWERED: Verdict = { kind: "neutral", answered: true };

const provoked = (reason: string): Verdict => ({ kind: "failure", reason, provoked: true });
const UNREACHABLE: Verdict = { kind: "failure", reason: "connect_failure" };

/** The gateway's own shortage, not the endpoint's failure. */
const OWN_FAULT = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);

/** Of a handshake that was answered: accepted is a success and a 5xx a failure; with any other status it did its work. */
export function handshakeVerdict(result: DialResult): Verdict {
	if (result.kind === "accepted") return SUCCESS;
	return result.status >= 500 ? provoked(String(result.status)) : ANSWERED;
}

/** Of a plain HTTP request that was answered. */
export function answerVerdict(status: number): Verdict {
	if (status >= 500) return provoked(String(status));
	return status >= 400 ? ANSWERED : SUCCESS;
}

/** Of an attempt without an answer. A client that left, or a request that was at fault itself, says nothing. */
export function errorVerdict(error: GatewayError): Verdict {
	switch (error.code) {
		case "CONNECT_FAILED":
			return OWN_FAULT.has(codeOf(error.cause)) ? NEUTRAL : UNREACHABLE;
		case "CONNECT_TIMEOUT":
			return UNREACHABLE;
		case "HANDSHAKE_TIMEOUT":
			return provoked("handshake_timeout");
		case "BAD_BACKEND_HANDSHAKE":
		case "BAD_BACKEND_ANSWER":
			return provoked("bad_handshake");
		default:
			return NEUTRAL;
	}
}

function codeOf(cause: unknown): string {
	const first = cause instanceof AggregateError ? cause.errors[0] : cause;
	return first instanceof Error && "code" in first ? String(first.code) : "";
}
