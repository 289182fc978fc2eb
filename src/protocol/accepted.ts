/** Whether a 101 accepts the opening handshake that was sent (RFC 6455 §4.1, the client's checks, and §4.2.2). */
import { hash } from "node:crypto";
import { GatewayError } from "../errors.ts";
import type { Answer } from "./answer.ts";
import { hasToken } from "./handshake.ts";

/** RFC 6455 §1.3 */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** What the client asked for. */
export interface Offer {
	/** Its Sec-WebSocket-Key. */
	readonly key: string;
	/** Subprotocols it offers. */
	readonly offered: readonly string[];
	/** Its Sec-WebSocket-Extensions, joined; undefined or "" = none. */
	readonly extensions?: string | undefined;
	/** Any 101 will do, for servers that are older than RFC 6455 or do not keep to it. */
	readonly lenient?: boolean | undefined;
}

/** The value of Sec-WebSocket-Accept that belongs to a key (RFC 6455 §4.2.2 item 5.4). */
export function acceptKey(key: string): string {
	return hash("sha1", key + GUID, "base64");
}

/**
 * Checks a 101 against the offer; returns the subprotocol that the backend chose. One that was not offered is the client's
 * to judge: servers are found that echo the whole offer, or always name the same, and clients that do not mind.
 * @throws GatewayError BAD_BACKEND_HANDSHAKE when the client would have to fail the connection
 */
export function checkAccepted(answer: Answer, offer: Offer): string | undefined {
	let upgrade: string | undefined;
	let connection = false;
	let accept: string | undefined;
	let subprotocol: string | undefined;
	const raw = answer.rawHeaders;
	for (let i = 0; i < raw.length; i += 2) {
		const value = raw[i + 1] as string;
		switch ((raw[i] as string).toLowerCase()) {
			case "upgrade":
				upgrade = upgrade === undefined ? value : `${upgrade}, ${value}`;
				break;
			case "connection":
				connection ||= hasToken(value, "upgrade");
				break;
			case "sec-websocket-accept":
				accept = accept === undefined ? value : `${accept}, ${value}`;
				break;
			case "sec-websocket-protocol":
				subprotocol = subprotocol === undefined ? value : `${subprotocol}, ${value}`;
				break;
			case "sec-websocket-extensions":
				if (!offer.lenient) checkExtensions(value, offer.extensions);
				break;
		}
	}
	if (offer.lenient) return subprotocol;
	if (upgrade?.toLowerCase() !== "websocket") throw bad("lacks Upgrade: websocket");
	if (!connection) throw bad("lacks Connection: Upgrade");
	if (accept === undefined) throw bad("lacks Sec-WebSocket-Accept");
	if (accept !== acceptKey(offer.key)) throw bad("has a Sec-WebSocket-Accept that does not belong to the client's key");
	return subprotocol;
}

function checkExtensions(chosen: string, offered: string | undefined): void {
	const names = tokens(offered ?? "").map(extensionName);
	for (const extension of tokens(chosen)) {
		if (!names.includes(extensionName(extension))) throw bad("uses an extension that the client did not offer");
	}
}

/** The parts of a comma-separated list. Extension parameters are tokens even when quoted (RFC 6455 §9.1): no comma in them. */
function tokens(value: string): string[] {
	return value
		.split(",")
		.map((token) => token.trim())
		.filter((token) => token !== "");
}

function extensionName(extension: string): string {
	const semicolon = extension.indexOf(";");
	return (semicolon < 0 ? extension : extension.slice(0, semicolon)).trim();
}

function bad(what: string): GatewayError {
	return new GatewayError("BAD_BACKEND_HANDSHAKE", `the backend's 101 ${what}`, { retry: "bad_handshake" });
}
