/** What can be wrong with the frames of an open connection, in whichever step they are seen. */
import type { Cause } from "../cause.ts";
import type { Ending } from "../connection.ts";

/** Facts that tell how a connection ended. */
export interface Live {
	readonly ending: Ending;
}

/** A Close frame with one of these codes. */
export const closedWith =
	(...codes: number[]) =>
	({ ending }: Live): boolean =>
		ending.kind === "close" && codes.includes(ending.code);

const violated =
	(kind: "masked" | "compressed" | "garbage") =>
	({ ending }: Live): boolean =>
		ending.kind === "violation" && ending.violation.kind === kind;

/** One of these endings. */
export const ends =
	(...kinds: Ending["kind"][]) =>
	({ ending }: Live): boolean =>
		kinds.includes(ending.kind);

/** In each step that reads frames; the ids stay the same. */
export const BAD_FRAMES: readonly Cause<Live>[] = [
	{
		id: "masked-frames",
		severity: "problem",
		sign: "a frame of the server has the mask bit",
		wrong: "The server masks its frames: clients have to fail the connection (RFC 6455 section 5.1).",
		advice: ["Only clients mask. Hand-written servers: do not; or what answers is itself a client that echoes bytes."],
		matches: violated("masked"),
	},
	{
		id: "compressed-unasked",
		severity: "problem",
		sign: "a message has RSV1 set, and no extension was agreed on",
		wrong: "The server sends compressed messages though no compression was agreed on.",
		advice: [
			"A proxy on the way removes Sec-WebSocket-Extensions from the request or the answer only: pass or remove it in both.",
			"Or switch permessage-deflate off at the server.",
		],
		matches: violated("compressed"),
	},
	{
		id: "garbage",
		severity: "problem",
		sign: "bytes after the 101 that are not frames",
		wrong: "What comes after the 101 is not WebSocket.",
		advice: [
			"Something writes into the connection beside the WebSocket: a second handler, an error page, or a middleware that ends the response.",
			"A proxy that injects or compresses bodies has to leave upgraded connections alone.",
		],
		matches: violated("garbage"),
	},
];
