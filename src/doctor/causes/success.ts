/** Answers that would be fine for a page: 2xx and redirects. */
import type { Cause } from "../cause.ts";
import type { AnswerFacts } from "../steps/answer.ts";
import { headerValues, printable } from "../words.ts";
import { lostUpgrade, upgradeNotes } from "./refusals.ts";

const REDIRECTS = [301, 302, 303, 307, 308];
const LOGIN = /log-?in|sign-?in|oauth|\bsso\b|\bauth(?:orize|enticate)?\b|\bsaml/i;

/** Where a redirect leads; undefined when it is none. */
function redirect({ status, rawHeaders, destination }: AnswerFacts): URL | undefined {
	if (!REDIRECTS.includes(status)) return undefined;
	const location = headerValues(rawHeaders, "location")[0] ?? "";
	const base = `${destination.secure ? "https" : "http"}://${destination.authority}${destination.target}`;
	return URL.canParse(location, base) ? new URL(location, base) : undefined;
}

const pathOf = ({ destination }: AnswerFacts): string => destination.target.split("?")[0] as string;
const ok = ({ status }: AnswerFacts): boolean => status >= 200 && status < 300;
const viaProxy = ({ server, rawHeaders }: AnswerFacts): boolean =>
	server?.kind === "proxy" || headerValues(rawHeaders, "via").length > 0;

/** A redirect's goal as a WebSocket URL, without its query. */
function goal(facts: AnswerFacts): readonly string[] {
	const to = redirect(facts);
	if (!to) return [];
	const scheme = to.protocol === "https:" || to.protocol === "wss:" ? "wss" : "ws";
	return [`Connect to ${scheme}://${printable(to.host + to.pathname)} at once.`];
}

export const SUCCESS_CAUSES: readonly Cause<AnswerFacts>[] = [
	{
		id: "socketio-polling",
		severity: "problem",
		sign: "Engine.IO's opening packet, or its error about the transport, instead of a 101",
		wrong: "This is a Socket.IO server, asked without its WebSocket transport.",
		advice: [
			"Ask for /socket.io/?EIO=4&transport=websocket; plain WebSocket clients do not understand Socket.IO beyond the handshake.",
		],
		matches: ({ status, body }) =>
			(status === 200 && /^0\{"sid"/.test(body)) ||
			(status === 400 &&
				/^\{"code":[0-5],"message":"(?:Transport unknown|Bad request|Unsupported protocol)/.test(body)),
	},
	{
		id: "sockjs-info",
		severity: "problem",
		sign: "200 with SockJS's greeting",
		wrong: "This is the base URL of a SockJS server.",
		advice: ["Add /websocket to the path: there it takes plain WebSockets."],
		matches: ({ status, body }) => status === 200 && /^Welcome to SockJS!/.test(body),
	},
	{
		id: "redirect-to-tls",
		severity: "problem",
		sign: "a redirect from ws to the https or wss URL of the same host",
		wrong: "The server redirects to TLS: WebSocket clients do not follow redirects.",
		advice: ["Use wss:// in the client."],
		more: goal,
		matches: (facts) => {
			const to = redirect(facts);
			return (
				!facts.destination.secure &&
				(to?.protocol === "https:" || to?.protocol === "wss:") &&
				to.hostname === facts.destination.authority.replace(/:\d+$/, "")
			);
		},
	},
	{
		id: "redirect-slash",
		severity: "problem",
		sign: "a redirect to the same path with or without its last slash",
		wrong: "The server redirects to the path with another ending: WebSocket clients do not follow redirects.",
		advice: ["Write the path exactly as the server has it, or let the server take both."],
		more: goal,
		matches: (facts) => {
			const to = redirect(facts)?.pathname;
			return to !== undefined && to !== pathOf(facts) && to.replace(/\/$/, "") === pathOf(facts).replace(/\/$/, "");
		},
	},
	{
		id: "redirect-login",
		severity: "problem",
		sign: "a redirect whose path looks like a login",
		wrong: "The server sends the client to a login page: the handshake carries no valid session.",
		advice: [
			"Sign in and send the session along: -H 'Cookie: …'. In a browser, the cookie has to be for this host and its SameSite has to fit.",
			"Let the server answer 401 on this path instead of a redirect, so that clients understand it.",
		],
		matches: (facts) => LOGIN.test(redirect(facts)?.pathname ?? ""),
	},
	{
		id: "redirect",
		severity: "problem",
		sign: "any other 301, 302, 303, 307 or 308",
		wrong: "The server redirects: WebSocket clients do not follow redirects.",
		advice: ["Use the URL it leads to, or take the redirect off this path."],
		more: goal,
		matches: ({ status }) => REDIRECTS.includes(status),
	},
	{
		id: "upgrade-stripped",
		severity: "problem",
		sign: "426, a library's words about a missing Upgrade, or 2xx from a known proxy",
		wrong: "The answer is one to plain HTTP: a proxy on the way does not pass Upgrade and Connection on.",
		advice: [
			"They are hop-by-hop headers, which every proxy on the way has to be told to pass for WebSockets.",
			"Run the doctor against the server behind: if it is healthy there, a proxy in between is the cause.",
			"If the server behind is not healthy either, it speaks no WebSocket on this path.",
		],
		more: upgradeNotes,
		matches: (facts) =>
			(facts.status >= 400 && facts.status < 500 && lostUpgrade(facts)) || (ok(facts) && viaProxy(facts)),
	},
	{
		id: "http-only",
		severity: "problem",
		sign: "2xx, and no proxy that is known",
		wrong: "The server answers with a page: what handles this path speaks HTTP only.",
		advice: [
			"Check path and port of the WebSocket endpoint; often it has a path of its own, such as /ws.",
			"Check that the application has a WebSocket handler there, and that its server supports it.",
			"A proxy on the way that removes Upgrade and Connection looks the same: run the doctor against the server behind.",
		],
		more: upgradeNotes,
		matches: ok,
	},
];
