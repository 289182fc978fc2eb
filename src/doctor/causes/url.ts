/** What can be wrong with the URL. */
import { isIP } from "node:net";
import type { Causes } from "../cause.ts";
import type { UrlFacts } from "../steps/url.ts";

/** Ports that browsers refuse to connect to (WHATWG Fetch, "bad port"). */
const BLOCKED_PORTS = new Set([
	1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
	111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
	540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
	6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

function isLoopback(host: string): boolean {
	return (
		host === "localhost" ||
		host.endsWith(".localhost") ||
		host === "::1" ||
		(isIP(host) === 4 && host.startsWith("127."))
	);
}

export const URL_CAUSES: Causes<UrlFacts> = {
	groups: [
		[
			{
				id: "url-no-scheme",
				severity: "problem",
				sign: "the URL does not begin with ws:// or wss://",
				wrong: "The URL has no scheme.",
				advice: ["Write wss://host/path, or ws://host/path for a server without TLS."],
				matches: ({ mistake }) => mistake === "no-scheme",
			},
			{
				id: "url-scheme",
				severity: "problem",
				sign: "the scheme is none of ws, wss, http, https",
				wrong: "The URL's scheme is not one of WebSocket.",
				advice: ["Write wss:// (with TLS) or ws:// (without)."],
				matches: ({ mistake }) => mistake === "scheme",
			},
			{
				id: "url-syntax",
				severity: "problem",
				sign: "a URL parser refuses it",
				wrong: "The URL cannot be read.",
				advice: [
					"Look for blanks, a port above 65535 or port 0, an IPv6 address without brackets, or a missing host name.",
				],
				matches: ({ mistake }) => mistake === "syntax",
			},
			{
				id: "url-http-scheme",
				severity: "warning",
				sign: "the scheme is http or https",
				wrong: "The URL has an http scheme; it was read as the WebSocket scheme that belongs to it.",
				advice: [
					"Write ws:// for http:// and wss:// for https://: older browsers and most libraries take nothing else.",
				],
				matches: ({ scheme }) => scheme === "http" || scheme === "https",
			},
		],
		[
			{
				id: "url-fragment",
				severity: "warning",
				sign: "the URL has a #",
				wrong: "The URL has a fragment, which WebSocket URLs must not have (RFC 6455 section 3).",
				advice: ["Take the part from # on away, or write # as %23: many clients refuse such a URL."],
				matches: ({ destination, fragment }) => destination !== undefined && fragment,
			},
		],
		[
			{
				id: "url-credentials",
				severity: "warning",
				sign: "the URL has a user name or password",
				wrong: "The URL has a user name or password in it.",
				advice: [
					"The doctor sends them as Authorization: Basic. Not every client does, and they end up in logs: use a header, a cookie or a token instead.",
				],
				matches: ({ destination }) => destination?.credentials !== undefined,
			},
		],
		[
			{
				id: "url-blocked-port",
				severity: "warning",
				sign: "the port is on the list that browsers refuse",
				wrong: "Browsers refuse to connect to this port.",
				advice: ["Use another port, best 443: programs reach this one, pages do not."],
				matches: ({ destination }) => destination !== undefined && BLOCKED_PORTS.has(destination.port),
			},
		],
		[
			{
				id: "mixed-content",
				severity: "warning",
				sign: "a ws:// URL of another machine together with an https origin",
				wrong: "A page loaded over https may not open a ws:// URL: browsers block it as mixed content.",
				advice: ["Serve the WebSocket over TLS and use wss://."],
				matches: ({ destination, origin }) =>
					destination !== undefined &&
					!destination.secure &&
					origin?.startsWith("https:") === true &&
					!isLoopback(destination.host),
			},
		],
	],
};
