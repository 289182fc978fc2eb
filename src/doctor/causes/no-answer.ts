/** Causes for which there is no HTTP answer, or one about the connection instead of the request. */
import type { Cause } from "../cause.ts";
import { type AnswerFacts, beginsLikeHttp } from "../steps/answer.ts";

/** A TLS alert or handshake record: content type 21 or 22, major version 3. */
const isTls = (bytes: Buffer): boolean => (bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 0x03;

/** An HTTP/2 SETTINGS or GOAWAY frame on stream 0 (RFC 9113 §4.1). */
const isHttp2 = (bytes: Buffer): boolean =>
	bytes.length >= 9 && bytes[0] === 0 && (bytes[3] === 0x04 || bytes[3] === 0x07) && bytes.readUInt32BE(5) === 0;

const PLAIN_TO_TLS =
	/plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|plain HTTP to an SSL-enabled/i;
const NO_CLIENT_CERTIFICATE = /No required SSL certificate was sent|SSL certificate error/i;
const NO_ALPN = /ALPN protocol|HTTP\/2 (?:only|required)/i;

export const NO_ANSWER_CAUSES: readonly Cause<AnswerFacts>[] = [
	{
		id: "plain-to-tls",
		severity: "problem",
		sign: "the answer to plain HTTP is a TLS alert, says so in words, or the port takes a TLS handshake",
		wrong: "The port speaks TLS.",
		advice: ["Use wss:// for this port."],
		matches: ({ destination, bytes, body, trials }) =>
			!destination.secure && (isTls(bytes) || PLAIN_TO_TLS.test(body) || trials.tls === true),
	},
	{
		id: "http2-only",
		severity: "problem",
		sign: "the answer is an HTTP/2 frame, or says that HTTP/2 is required",
		wrong: "The server speaks HTTP/2 only here: WebSockets need HTTP/1.1.",
		advice: ["Let the port take HTTP/1.1 as well (in Node: `allowHTTP1: true`), or use the port that does."],
		matches: ({ bytes, body }) => isHttp2(bytes) || NO_ALPN.test(body),
	},
	{
		id: "client-certificate",
		severity: "problem",
		sign: "a TLS alert about certificates instead of an answer, or nginx's 400 about it",
		wrong: "The server wants a client certificate, or refuses the one it got.",
		advice: [
			"Give one with --cert and --key.",
			"If clients should need none, switch client authentication off at the listener (Clawgate: `tls.client_auth: none`).",
		],
		matches: ({ error, body }) =>
			/ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA)/.test(error ?? "") || NO_CLIENT_CERTIFICATE.test(body),
	},
	{
		id: "http-1-0",
		severity: "problem",
		sign: "a 101 whose status line says HTTP/1.0",
		wrong: "The 101 is an HTTP/1.0 answer: clients refuse it.",
		advice: [
			"A proxy on the way speaks HTTP/1.0 to the server: switch it to 1.1 (nginx: `proxy_http_version 1.1`).",
			"Hand-written servers: write HTTP/1.1, or use a WebSocket library.",
		],
		matches: ({ bytes }) => bytes.toString("latin1", 0, 12) === "HTTP/1.0 101",
	},
	{
		id: "answer-malformed",
		severity: "problem",
		sign: "an HTTP answer whose head is broken",
		wrong: "The answer is not valid HTTP.",
		advice: ["The server or a proxy writes its head wrongly; -v shows it. Hand-written servers: lines end with CR LF."],
		matches: ({ end, bytes }) => end === "malformed" && beginsLikeHttp(bytes),
	},
	{
		id: "not-http",
		severity: "problem",
		sign: "the first bytes are not those of an HTTP answer",
		wrong: "What listens on this port is not an HTTP server.",
		advice: ["Check host and port: the beginning of what it said is in the line of this step."],
		matches: ({ end }) => end === "malformed",
	},
	{
		id: "silent",
		severity: "problem",
		sign: "no whole answer within --timeout",
		wrong: "The server accepts the connection and does not answer the handshake.",
		advice: [
			"The server hangs or is overloaded, or waits for something: look at its log and its event loop.",
			"A proxy that waits for a server behind it answers 504 later: raise --timeout to see that.",
			"A listener that expects a PROXY protocol header waits for it like this.",
		],
		matches: ({ end }) => end === "silent",
	},
	{
		id: "reset-without-answer",
		severity: "problem",
		sign: "RST before a whole answer",
		wrong: "The connection is reset when the handshake is sent.",
		advice: [
			"The server's process crashed on it, or refuses it: its log at this second says why.",
			"Firewalls and proxies that filter Upgrade reset like this; wss:// hides it from them.",
			"A listener that expects a PROXY protocol header can react like this.",
		],
		matches: ({ end }) => end === "reset",
	},
	{
		id: "closed-without-answer",
		severity: "problem",
		sign: "FIN before a whole answer",
		wrong: "The server closes the connection without an answer to the handshake.",
		advice: [
			"A server that has no handler for upgrades ends the connection so (Node without an `upgrade` listener on another path, for example).",
			"A listener that expects a PROXY protocol header can react like this.",
		],
		matches: ({ end }) => end === "closed",
	},
];
