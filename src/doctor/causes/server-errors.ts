/** 5xx: the server, or one behind it, failed. And every other status. */
import type { Cause } from "../cause.ts";
import type { AnswerFacts } from "../steps/answer.ts";
import { notes, status, upgradeNotes } from "./refusals.ts";

const CLOUDFLARE: Readonly<Record<number, string>> = {
	520: "520: the origin answered something that is not valid, or nothing.",
	521: "521: the origin refuses connections: it is down, or its firewall does not let Cloudflare in.",
	522: "522: the origin does not answer: a firewall, or an overloaded machine.",
	523: "523: the origin's address cannot be reached: check the DNS record.",
	524: "524: the origin accepted and did not answer within 100 s.",
	525: "525: the TLS handshake with the origin failed: check its certificate and protocol versions.",
	526: "526: the origin's certificate is not valid (mode Full (strict)).",
	530: "530: see the 1xxx code in the page, such as 1016: no DNS record of the origin.",
};

export const SERVER_ERROR_CAUSES: readonly Cause<AnswerFacts>[] = [
	{
		id: "cloudflare-origin",
		severity: "problem",
		sign: "520 to 530",
		wrong: "Cloudflare cannot get an answer from the origin.",
		advice: ["Run the doctor against the origin itself (--resolve its address)."],
		more: (facts) => {
			const words = CLOUDFLARE[facts.status];
			return words === undefined ? [] : [words];
		},
		matches: ({ status: code }) => code >= 520 && code <= 530,
	},
	{
		id: "server-error",
		severity: "problem",
		sign: "500",
		wrong: "The server failed while it handled the handshake.",
		advice: [
			"Its log at this second has the exception.",
			"If plain pages work: the WebSocket handler, or a middleware that cannot deal with upgrades, throws.",
		],
		more: notes,
		matches: status(500),
	},
	{
		id: "bad-gateway",
		severity: "problem",
		sign: "502",
		wrong: "A proxy could not get a valid answer from the server behind it.",
		advice: [
			"The server behind is down, listens on another port, or speaks another protocol there (TLS or plain, HTTP/2): run the doctor against it from the proxy's machine.",
			"It may crash on handshakes, or answer with a 101 that is not valid.",
		],
		more: notes,
		matches: status(502),
	},
	{
		id: "unavailable",
		severity: "problem",
		sign: "503",
		wrong: "No server can take the connection now.",
		advice: [
			"Behind a proxy: every server is down, unhealthy, drained or full; look at its health checks.",
			"From the application: overload, maintenance, or a start that is not finished. Retry-After says when to come back.",
		],
		more: notes,
		matches: status(503),
	},
	{
		id: "gateway-timeout",
		severity: "problem",
		sign: "504",
		wrong: "A proxy waited in vain for the server behind it.",
		advice: [
			"The server behind accepts and does not answer the handshake (it hangs, or is overloaded), or a firewall between them drops packets.",
			"Run the doctor against it from the proxy's machine.",
		],
		more: notes,
		matches: status(504),
	},
	{
		id: "unexpected-status",
		severity: "problem",
		sign: "any other status",
		wrong: "The server answered with a status that does not belong to a handshake.",
		advice: ["The log of the server that answered says why; -v shows the whole head."],
		more: upgradeNotes,
		matches: ({ status: code }) => code !== 0 && code !== 101,
	},
];
