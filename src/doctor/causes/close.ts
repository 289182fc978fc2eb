/** What can be wrong with the closing handshake. */
import type { Causes } from "../cause.ts";
import { mayBeSent } from "../close-codes.ts";
import type { CloseFacts } from "../steps/close.ts";

export const CLOSE_CAUSES: Causes<CloseFacts> = {
	groups: [
		[
			{
				id: "no-close-echo",
				severity: "problem",
				sign: "no Close frame came back within --timeout",
				wrong: "The server does not answer a Close frame: every client waits, then sees code 1006.",
				advice: [
					"Libraries echo it by themselves (RFC 6455 section 5.5.1): look for a handler that blocks or no longer reads, or a hand-written server.",
				],
				matches: ({ outcome }) => outcome === "silent",
			},
			{
				id: "close-without-echo",
				severity: "problem",
				sign: "FIN or RST instead of a Close frame",
				wrong:
					"The server ends the connection without sending its Close frame back: clients see code 1006 for a normal end.",
				advice: [
					"Let the server answer a Close with a Close before it ends TCP (RFC 6455 section 7.1.2); libraries do when they are asked to close and not to terminate.",
					"A proxy that drops both sides when one ends looks the same.",
				],
				matches: ({ outcome }) => outcome === "fin" || outcome === "reset",
			},
			{
				id: "close-garbage",
				severity: "problem",
				sign: "bytes that are not frames instead of a Close frame",
				wrong: "The server answers a Close frame with something that is not WebSocket.",
				advice: ["See `masked-frames` and `garbage`: the same causes, seen later."],
				matches: ({ outcome }) => outcome === "violation",
			},
			{
				id: "close-code-invalid",
				severity: "warning",
				sign: "the Close frame that came back has a code that must not be sent, such as 1005 or 1006",
				wrong: "The server's Close frame has a code that must not be sent (RFC 6455 section 7.4.1).",
				advice: ["Clients fail the connection with 1002 for it: send 1000, or the code that was received."],
				matches: ({ code }) => code !== undefined && code !== 1005 && !mayBeSent(code),
			},
			{
				id: "tcp-left-open",
				severity: "warning",
				sign: "TCP stays open for 2 s after both Close frames",
				wrong: "The server leaves TCP open after the closing handshake.",
				advice: [
					"It should end it first (RFC 6455 section 7.1.1): otherwise clients wait, and the server collects dead connections.",
				],
				matches: ({ outcome, tcpEnded }) => outcome === "echo" && !tcpEnded,
			},
		],
	],
};
