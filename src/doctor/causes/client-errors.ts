/** 4xx: the server blames the client. */
import type { Cause } from "../cause.ts";
import type { AnswerFacts } from "../steps/answer.ts";
import { headerValues } from "../words.ts";
import { lacksVersion13, notes, status, upgradeNotes } from "./refusals.ts";

/** A browser's clients cannot set headers. */
const BROWSERS = "Browsers cannot set headers on a WebSocket: they send cookies, the query, or a token as subprotocol.";

export const CLIENT_ERROR_CAUSES: readonly Cause<AnswerFacts>[] = [
	{
		id: "origin-denied",
		severity: "problem",
		sign: "the refusal goes away without the Origin header, or with the server's own; or Clawgate's ORIGIN_DENIED",
		wrong: "The server does not let pages of this origin connect.",
		advice: [
			"Add the origin to the server's list of allowed ones (Clawgate: `allowed_origins`; Django: ALLOWED_HOSTS or AllowedHostsOriginValidator; Rails: allowed_request_origins; Spring: setAllowedOrigins).",
			"Scheme and port belong to an origin: https://a.example and https://a.example:8443 are two.",
		],
		more: notes,
		matches: ({ clawgate, originSent, trials }) =>
			clawgate?.code === "ORIGIN_DENIED" || (originSent && (trials.withoutOrigin === 101 || trials.sameOrigin === 101)),
	},
	{
		id: "origin-required",
		severity: "problem",
		sign: "the refusal goes away with the server's own origin",
		wrong: "The server refuses clients that send no Origin.",
		advice: [
			"Programs have to send an allowed one (here: --origin https://…); browsers do so by themselves.",
			"To let programs in without, allow a missing Origin at the server (Clawgate: `allow_missing_origin`).",
		],
		more: notes,
		matches: ({ originSent, trials }) => !originSent && trials.sameOrigin === 101,
	},
	{
		id: "bot-challenge",
		severity: "problem",
		sign: "cf-mitigated: challenge, or a challenge page",
		wrong: "A bot protection answers with a challenge that only a browser's page can solve.",
		advice: ["Exclude the WebSocket's path from challenges (Cloudflare: a WAF rule that skips it)."],
		matches: ({ rawHeaders, status: code, body }) =>
			headerValues(rawHeaders, "cf-mitigated").length > 0 ||
			((code === 403 || code === 503) && /Just a moment\.\.\.|challenge-platform|captcha/i.test(body)),
	},
	{
		id: "credentials-refused",
		severity: "problem",
		sign: "401 though Authorization, a cookie, a key or a query was sent; or Clawgate's codes for it",
		wrong: "The server does not accept the credentials.",
		advice: [
			"The token may have expired, or be for another service or audience; WWW-Authenticate in the line of this step may say more.",
			"Check that the server looks where it is sent: header, cookie, query or subprotocol.",
			BROWSERS,
		],
		more: notes,
		matches: (facts) =>
			status(401)(facts) && (facts.clawgate ? !facts.clawgate.code.endsWith("_MISSING") : facts.credentialsSent),
	},
	{
		id: "credentials-missing",
		severity: "problem",
		sign: "401, and nothing was sent that could be a credential; or Clawgate's codes for it",
		wrong: "The server wants credentials.",
		advice: [
			"Give them: -H 'Authorization: Bearer …', -H 'Cookie: …', in the query, or with --subprotocol, as the server expects.",
			BROWSERS,
		],
		more: notes,
		matches: status(401),
	},
	{
		id: "address-denied",
		severity: "problem",
		sign: "Clawgate's ADDRESS_DENIED",
		wrong: "Connections from this address are not allowed.",
		advice: ["Change `allow` and `deny` of the route, or `trusted_proxies` when the address is a proxy's."],
		more: notes,
		matches: ({ clawgate }) => clawgate?.code === "ADDRESS_DENIED",
	},
	{
		id: "envoy-upgrade-off",
		severity: "problem",
		sign: "403 without a body from Envoy",
		wrong: "Envoy refuses upgrades on this route.",
		advice: [
			"Behind an ingress or mesh made of Envoy, look for its WebSocket switch; a service without ready endpoints looks the same in some of them.",
		],
		more: upgradeNotes,
		matches: ({ server, status: code, body }) => code === 403 && server?.name === "Envoy" && body === "",
	},
	{
		id: "forbidden",
		severity: "problem",
		sign: "any other 403",
		wrong: "The server forbids the connection.",
		advice: [
			"A check said no: the client's address, a token's rights, a firewall rule, or the Origin (try --origin with the page's own).",
			"The log of the server that answered (see Server in the line of this step) says which.",
		],
		more: upgradeNotes,
		matches: status(403),
	},
	{
		id: "not-found",
		severity: "problem",
		sign: "404 or 410",
		wrong: "There is nothing at this path.",
		advice: [
			"Check the path, last slash and prefix included: a proxy may add or strip one (Clawgate: `rewrite`; nginx: a slash at the end of proxy_pass).",
			"Check the Host: servers with several sites choose by it (-H 'Host: …' tries another).",
			"If the path is right: a proxy that strips Upgrade makes WebSocket-only servers answer 404, and so does an application without its WebSocket handler.",
		],
		more: upgradeNotes,
		matches: status(404, 410),
	},
	{
		id: "method-not-allowed",
		severity: "problem",
		sign: "405",
		wrong: "The path takes no GET.",
		advice: ["It is the path of something else, such as a POST-only API: check it. A WebSocket handshake is a GET."],
		more: upgradeNotes,
		matches: status(405),
	},
	{
		id: "misdirected",
		severity: "problem",
		sign: "421, or words about an invalid Host",
		wrong: "The server does not serve this host name here.",
		advice: ["Check the name in the URL and in Host: the server knows it under another, or not at all."],
		more: notes,
		matches: ({ status: code, body }) => code === 421 || (code === 400 && /invalid host/i.test(body)),
	},
	{
		id: "version-unsupported",
		severity: "problem",
		sign: "426 or 400 with a Sec-WebSocket-Version that lacks 13",
		wrong: "The server speaks another version of the WebSocket protocol.",
		advice: ["All clients of today speak version 13 (RFC 6455): update the server's library."],
		more: notes,
		matches: (facts) =>
			facts.clawgate?.code === "BAD_VERSION" || (status(400, 426)(facts) && lacksVersion13(facts.rawHeaders)),
	},
	{
		id: "rate-limited",
		severity: "problem",
		sign: "429",
		wrong: "The server limits how many, or how fast, this client connects.",
		advice: [
			"Wait as long as Retry-After says, and let clients back off with a growing, random delay.",
			"If many users share an address (a proxy, an office), the limit counts them as one: trust the proxy's X-Forwarded-For, or raise it.",
		],
		more: notes,
		matches: status(429),
	},
	{
		id: "headers-too-large",
		severity: "problem",
		sign: "431, 414, or 400 with words about large headers",
		wrong: "The request's head is too large for the server.",
		advice: ["Cookies are the usual reason: delete some, or raise the limit (nginx: `large_client_header_buffers`)."],
		more: notes,
		matches: ({ status: code, body }) =>
			code === 431 ||
			code === 414 ||
			(code === 400 && /header or cookie too large|headers? too (?:large|long)/i.test(body)),
	},
	{
		id: "bad-request",
		severity: "problem",
		sign: "any other 400",
		wrong: "The server does not accept the handshake as valid.",
		advice: [
			"Often a proxy on the way changed it: removed Upgrade, Connection or a Sec-WebSocket-* header, or made it HTTP/1.0. Run the doctor against the server behind.",
			"Otherwise it wants something else: a subprotocol (--subprotocol), a query parameter, an Origin (--origin), another Host.",
			"The body, in the line of this step, may say which.",
		],
		more: upgradeNotes,
		matches: status(400),
	},
];
