/** Why a connection never brought a request that could be read, in the words of the error table. */
import { GatewayError } from "../errors.ts";
import { startsLikeProxyHeader } from "./proxy-protocol.ts";

/** The error for Node's `clientError`; undefined when the client just left. */
export function unreadableRequest(error: NodeJS.ErrnoException & { rawPacket?: Buffer }): GatewayError | undefined {
	switch (error.code) {
		case "HPE_HEADER_OVERFLOW":
			return new GatewayError("HEADERS_TOO_LARGE");
		case "ERR_HTTP_REQUEST_TIMEOUT":
			return new GatewayError("HEADERS_TIMEOUT");
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
