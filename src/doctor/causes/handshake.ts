/** What can be wrong with a 101. */
import type { Cause, Causes } from "../cause.ts";
import type { HandshakeFacts } from "../steps/handshake.ts";
import { headerValues, printable } from "../words.ts";

const values = ({ rawHeaders }: HandshakeFacts, name: string): string[] => headerValues(rawHeaders, name);
const tokens = (list: readonly string[]): string[] =>
	list.flatMap((value) => value.split(",")).map((token) => token.trim().toLowerCase());

/** The advice for what only a server's or proxy's programmer can mend. */
const LIBRARY = "Use a WebSocket library at the server instead of writing the answer by hand, or update it.";

const ONCE = ["upgrade", "sec-websocket-accept", "sec-websocket-protocol"];

const subprotocol: readonly Cause<HandshakeFacts>[] = [
	{
		id: "subprotocol-case",
		severity: "problem",
		sign: "the chosen subprotocol is an offered one in other letters",
		wrong: "The server spells the subprotocol in other upper or lower case letters than the client offered.",
		advice: ["Subprotocols are compared letter by letter: make the server send the client's spelling back."],
		matches: ({ offered, chosen }) =>
			chosen !== undefined &&
			!offered.includes(chosen) &&
			offered.some((each) => each.toLowerCase() === chosen.toLowerCase()),
	},
	{
		id: "subprotocol-unasked",
		severity: "problem",
		sign: "the 101 has a Sec-WebSocket-Protocol that was not offered",
		wrong: "The server chose a subprotocol that was not offered: every client fails the connection.",
		advice: [
			"Offer it with --subprotocol (in a browser: `new WebSocket(url, [name])`), if it is the one you want.",
			"Make the server choose among what the client offers, and send no such header when it offers none.",
		],
		more: ({ chosen, offered }) => [
			`The server chose ${printable(chosen ?? "", 60)}; offered: ${offered.length === 0 ? "none" : printable(offered.join(", "))}.`,
		],
		matches: ({ offered, chosen }) => chosen !== undefined && !offered.includes(chosen),
	},
	{
		id: "subprotocol-none",
		severity: "problem",
		sign: "subprotocols were offered, and the 101 has no Sec-WebSocket-Protocol",
		wrong: "The server chose none of the offered subprotocols: browsers fail the connection.",
		advice: [
			"Check the name: the server does not know it, or its library needs to be told which subprotocols it has.",
			"If the server needs none, do not offer one.",
			"A proxy on the way may have removed Sec-WebSocket-Protocol.",
		],
		matches: ({ offered, chosen }) => offered.length > 0 && chosen === undefined,
	},
];

export const HANDSHAKE_CAUSES: Causes<HandshakeFacts> = {
	groups: [
		[
			{
				id: "headers-duplicated",
				severity: "problem",
				sign: "Upgrade, Sec-WebSocket-Accept or Sec-WebSocket-Protocol is there twice",
				wrong: "A header of the 101 is there twice: clients fail the connection.",
				advice: [
					"A proxy or middleware adds what the server sends already: look for `add_header`, and for two WebSocket handlers on one path.",
				],
				more: (facts) => [`There twice: ${ONCE.filter((name) => values(facts, name).length > 1).join(", ")}.`],
				matches: (facts) => ONCE.some((name) => values(facts, name).length > 1),
			},
			{
				id: "upgrade-missing",
				severity: "problem",
				sign: "the 101 has no Upgrade: websocket",
				wrong: "The 101 lacks Upgrade: websocket.",
				advice: ["A proxy on the way removes it as a hop-by-hop header without setting it again.", LIBRARY],
				matches: (facts) => values(facts, "upgrade").join(", ").toLowerCase() !== "websocket",
			},
		],
		[
			{
				id: "connection-missing",
				severity: "problem",
				sign: "the 101 has no Connection: Upgrade",
				wrong: "The 101 lacks Connection: Upgrade.",
				advice: ["A proxy on the way writes its own Connection header (keep-alive or close) over it.", LIBRARY],
				matches: (facts) => !tokens(values(facts, "connection")).includes("upgrade"),
			},
		],
		[
			{
				id: "accept-missing",
				severity: "problem",
				sign: "the 101 has no Sec-WebSocket-Accept",
				wrong: "The 101 lacks Sec-WebSocket-Accept: it did not come from a WebSocket server.",
				advice: ["Something answers 101 by itself: a proxy that passes any upgrade, or hand-written code.", LIBRARY],
				matches: (facts) => values(facts, "sec-websocket-accept").length === 0,
			},
			{
				id: "accept-wrong",
				severity: "problem",
				sign: "Sec-WebSocket-Accept does not belong to the key that was sent",
				wrong: "Sec-WebSocket-Accept is wrong: the answer belongs to another request.",
				advice: [
					"A cache or proxy gave an old answer, or changed Sec-WebSocket-Key on the way: switch caching off for this path.",
					"Hand-written servers: base64 of SHA-1 over the key as sent and 258EAFA5-E914-47DA-95CA-C5AB0DC85B11.",
					LIBRARY,
				],
				matches: ({ refusal }) => refusal?.includes("does not belong to") === true,
			},
		],
		subprotocol,
		[
			{
				id: "extension-unasked",
				severity: "problem",
				sign: "the 101 has a Sec-WebSocket-Extensions that was not offered",
				wrong: "The server uses an extension that was not offered: clients fail the connection.",
				advice: [
					"The server, or a proxy that adds the header, switches compression on without being asked: let it answer the offer only.",
					"-H 'Sec-WebSocket-Extensions: permessage-deflate' offers it here.",
				],
				matches: ({ refusal, extensions, offeredExtensions }) =>
					extensions.length > 0 && (offeredExtensions === "" || refusal?.includes("an extension") === true),
			},
		],
	],
	otherwise: {
		id: "handshake-invalid",
		severity: "problem",
		sign: "any other reason for which RFC 6455 section 4.1 tells a client to fail",
		wrong: "The 101 does not accept the handshake.",
		advice: [LIBRARY],
		matches: ({ refusal }) => refusal !== undefined,
	},
};
