/** Step 6: whether a 101 accepts the handshake that was sent (RFC 6455 §4.1, the client's checks). */
import { GatewayError } from "../../errors.ts";
import { checkAccepted } from "../../protocol/accepted.ts";
import type { Answer } from "../../protocol/answer.ts";
import { headerValues, printable } from "../words.ts";

export interface HandshakeFacts {
	readonly rawHeaders: readonly string[];
	/** Subprotocols that were offered. */
	readonly offered: readonly string[];
	/** The one that was chosen. */
	readonly chosen: string | undefined;
	/** Extensions that were agreed on, as written by the server. */
	readonly extensions: readonly string[];
	readonly offeredExtensions: string;
	/** Why a client has to fail the connection; undefined = it accepts. */
	readonly refusal: string | undefined;
}

export function handshakeFacts(
	answer: Answer,
	offer: { key: string; offered: readonly string[]; extensions: string },
): HandshakeFacts {
	const { rawHeaders } = answer;
	return {
		rawHeaders,
		offered: offer.offered,
		chosen: headerValues(rawHeaders, "sec-websocket-protocol")[0],
		extensions: headerValues(rawHeaders, "sec-websocket-extensions"),
		offeredExtensions: offer.extensions,
		refusal: refusal(answer, offer),
	};
}

function refusal(
	answer: Answer,
	offer: { key: string; offered: readonly string[]; extensions: string },
): string | undefined {
	try {
		const chosen = checkAccepted(answer, offer);
		// The gateway leaves this to its clients; the doctor is one (RFC 6455 §4.1, the client's check 6).
		const offered = chosen === undefined || offer.offered.includes(chosen);
		return offered ? undefined : "the 101 has a subprotocol that the doctor did not offer";
	} catch (error) {
		if (!(error instanceof GatewayError)) throw error;
		return error.message.replace(/^the backend's 101/, "the 101").replaceAll("the client", "the doctor");
	}
}

/** What the step saw. */
export function describeHandshake({ refusal: why, offered, chosen, extensions }: HandshakeFacts): string {
	const parts = [why === undefined ? "Upgrade, Connection and Sec-WebSocket-Accept are right" : printable(why)];
	if (chosen !== undefined) parts.push(`subprotocol ${printable(chosen, 40)}`);
	else if (offered.length > 0) parts.push(`no subprotocol chosen of ${printable(offered.join(", "))}`);
	if (extensions.length > 0) parts.push(`extensions ${printable(extensions.join(", "), 80)}`);
	return parts.join(", ");
}
