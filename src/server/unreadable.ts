/** Why a connection never brought a request that could be read, in the words of the error table. */
import type { Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import { startsLikeProxyHeader } from "./proxy-protocol.ts";

type ClientError = NodeJS.ErrnoException & { rawPacket?: Buffer };

/**
 * The error for Node's `clientError` between two requests. Undefined when the client just left, or never said a word:
 * browsers open connections that they may not need.
 */
export function unreadableRequest(error: ClientError, socket: Pick<Socket, "bytesRead">): GatewayError | undefined {
	switch (error.code) {
		case "HPE_HEADER_OVERFLOW":
			return new GatewayError("HEADERS_TOO_LARGE");
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return socket.bytesRead === 0 ? undefined : new GatewayError("HEADERS_TIMEOUT");
		case "ERR_TLS_RENEGOTIATION_DISABLED":
			return new GatewayError("TLS_FAILED", "the client asked to renegotiate TLS");
		case "ECONNRESET":
		case "EPIPE":
			return undefined;
		default:
			if (startsLikeProxyHeader(error.rawPacket)) {
				return new GatewayError(
					"BAD_REQUEST",
					"a PROXY protocol header from a peer that is not in proxy_protocol.trusted",
				);
			}
			return new GatewayError("BAD_REQUEST", error.message.replace(/^Parse Error: /, ""));
	}
}

/** The error for Node's `clientError` in the middle of a request's body. */
export function unreadableBody(error: ClientError): GatewayError {
	switch (error.code) {
		case "ECONNRESET":
		case "EPIPE":
		case "HPE_INVALID_EOF_STATE":
			return new GatewayError("CLIENT_GONE", "the client left in the middle of its request's body");
		default:
			return new GatewayError("BAD_REQUEST", error.message.replace(/^Parse Error: /, ""));
	}
}
