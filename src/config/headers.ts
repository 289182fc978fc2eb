/** `request_headers` and `response_headers` of a route. */
import { z } from "zod";

/** RFC 9110 §5.6.2: a field name is a token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 §5.5: visible characters, spaces, tabs and bytes above 0x7f; CR, LF and NUL would split the head. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The gateway writes or reads these itself; changing them would break the handshake or the message framing. */
const OWN = ["connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "te", "trailer"];
const HANDSHAKE = ["proxy-connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-accept"];
/** Negotiated end to end: a request may go without them, but they cannot be made up. */
const NEGOTIATED = ["sec-websocket-extensions", "sec-websocket-protocol"];

function headerName(refused: readonly string[]) {
	return z
		.string()
		.regex(TOKEN, { error: "expected the name of a header" })
		.refine((name) => !refused.includes(name.toLowerCase()), {
			error: "the gateway takes care of this header itself; it cannot be changed here",
		});
}

function headerOptions(unsettable: readonly string[], unremovable: readonly string[]) {
	return z.strictObject({
		set: z
			.record(headerName(unsettable), z.string().regex(VALUE, { error: "a header value is one line of Latin-1 text" }))
			.prefault({})
			.meta({ description: "Headers to add; one that is there already is replaced." }),
		remove: z
			.union([z.array(headerName(unremovable)), headerName(unremovable).transform((name) => [name])])
			.prefault([])
			.meta({ description: "Names of headers to leave out; this comes before `set`." }),
	});
}

/** On the way to the backend. `Host` is set with `rewrite.host`. */
export const requestHeaderOptions = headerOptions(
	[...OWN, ...HANDSHAKE, ...NEGOTIATED, "host"],
	[...OWN, ...HANDSHAKE, "host"],
);

/** On the way to the client. */
export const responseHeaderOptions = headerOptions(
	[...OWN, ...HANDSHAKE, ...NEGOTIATED],
	[...OWN, ...HANDSHAKE, ...NEGOTIATED],
);
