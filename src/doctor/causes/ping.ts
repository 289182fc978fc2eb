/** What can be wrong right after the 101. */
import type { Causes } from "../cause.ts";
import { closeMeaning } from "../close-codes.ts";
import type { PingFacts } from "../steps/ping.ts";
import { BAD_FRAMES, closedWith, ends } from "./frames.ts";

export const PING_CAUSES: Causes<PingFacts> = {
	groups: [
		[
			...BAD_FRAMES,
			{
				id: "closed-policy",
				severity: "problem",
				sign: "Close 1008, 3000, 3003, 4401 or 4403 right after the 101",
				wrong: "The server accepts the handshake and closes at once: it does not let this client in.",
				advice: [
					"Usually a token, cookie or API key is missing or has expired: give it with -H, in the query, or as the subprotocol the server expects.",
					"Otherwise an origin that is not allowed (--origin), or a limit for this address or user.",
				],
				matches: closedWith(1008, 3000, 3003, 4401, 4403),
			},
			{
				id: "closed-protocol",
				severity: "problem",
				sign: "Close 1002, 1003, 1007, 1009, 1010, 4400 or 4406 right after the 101",
				wrong: "The server closes because it does not like how the client speaks.",
				advice: [
					"Check subprotocol (--subprotocol) and protocol version: the server expects another one, or one at all.",
					"If the doctor offers what the client does: a proxy changes frames on the way, or the server's library refuses Pings.",
				],
				matches: closedWith(1002, 1003, 1007, 1009, 1010, 4400, 4406),
			},
			{
				id: "closed-server-error",
				severity: "problem",
				sign: "Close 1011 or 1014 right after the 101",
				wrong: "The server failed right after accepting the connection.",
				advice: [
					"Its log at this second has the exception; 1011 is what libraries send when a handler throws.",
					'From a proxy (Clawgate: "backend connection lost"): the server behind accepted and dropped the connection.',
				],
				matches: closedWith(1011, 1014),
			},
			{
				id: "closed-busy",
				severity: "problem",
				sign: "Close 1012, 1013, 3008 or 4429 right after the 101",
				wrong: "The server takes no connection now: it restarts or has too many.",
				advice: ["Try again in a while. If it stays so, look at the server's limits and health."],
				matches: closedWith(1012, 1013, 3008, 4429),
			},
			{
				id: "closed-at-once",
				severity: "problem",
				sign: "any other Close right after the 101",
				wrong: "The server accepts the handshake and closes at once.",
				advice: [
					"The application ended the connection on purpose: its code and reason are in the line of this step; look there for what it expects (path, query, token, first message).",
				],
				more: ({ ending }) => (ending.kind === "close" ? [`Close ${ending.code}: ${closeMeaning(ending.code)}.`] : []),
				matches: ends("close"),
			},
			{
				id: "dropped-at-once",
				severity: "problem",
				sign: "FIN or RST right after the 101, without a Close frame",
				wrong: "The connection is dropped right after the 101; clients see code 1006.",
				advice: [
					"The server's process or handler crashed: its log at this second says why.",
					"Or a proxy on the way understands the 101 and not what follows: it needs to be told about WebSockets.",
				],
				more: ({ server }) => (server?.upgrade === undefined ? [] : [server.upgrade]),
				matches: ends("fin", "reset"),
			},
			{
				id: "no-pong",
				severity: "problem",
				sign: "no Pong within --timeout",
				wrong: "The server does not answer Pings: proxies and clients that watch over the connection will cut it.",
				advice: [
					"RFC 6455 section 5.5.3 requires Pongs, and libraries send them by themselves: look for a handler that blocks, a paused socket, or a hand-written server.",
					"Or frames do not get through: a proxy that buffers the upgraded connection.",
				],
				matches: ({ pong }) => pong === "none",
			},
			{
				id: "pong-payload",
				severity: "warning",
				sign: "a Pong with another payload than the Ping",
				wrong: "The Pong does not carry the Ping's payload (RFC 6455 section 5.5.3).",
				advice: [
					"Clients that match Pongs to Pings take the connection for dead: let the server send the payload back.",
				],
				matches: ({ pong }) => pong === "wrong",
			},
		],
	],
};
