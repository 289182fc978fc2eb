/** What the causes of refusals share: who refused, and hints in the body. */
import type { AnswerFacts } from "../steps/answer.ts";
import { headerValues } from "../words.ts";

const is =
	(...statuses: readonly number[]) =>
	({ status }: AnswerFacts): boolean =>
		statuses.includes(status);

/** Matches these statuses. */
export const status = is;

/**
 * How WebSocket libraries answer a request that lost its Upgrade on the way: ws, gorilla, websockets (Python), Spring,
 * Tomcat, Jetty, .NET, tungstenite, Cowboy.
 */
const LOST_UPGRADE =
	/missing or invalid upgrade|invalid upgrade header|(?:upgrade|websocket).{0,40}token not found|can "upgrade" only to "websocket"|"connection" must be "upgrade"|(?:missing|invalid|no) (?:connection|upgrade|"upgrade"|"connection") header|not a websocket (?:handshake|request|upgrade)|upgrade required|(?:expected|requires?) (?:a )?websocket|websocket clients? only/i;

/** Whether the answer says that no Upgrade arrived. */
export function lostUpgrade({ body, clawgate, rawHeaders, status: code }: AnswerFacts): boolean {
	if (clawgate) {
		return (
			clawgate.code === "UPGRADE_REQUIRED" || (clawgate.code === "BAD_HANDSHAKE" && clawgate.hint.includes("Upgrade"))
		);
	}
	if (LOST_UPGRADE.test(body)) return true;
	return code === 426 && !lacksVersion13(rawHeaders);
}

/** Whether the answer names the versions of the protocol that the server speaks, and 13 is not one of them. */
export function lacksVersion13(rawHeaders: readonly string[]): boolean {
	const versions = headerValues(rawHeaders, "sec-websocket-version").flatMap((value) => value.split(","));
	return versions.length > 0 && !versions.some((version) => version.trim() === "13");
}

/** Advice that who refused, and how, allows. */
export function notes(facts: AnswerFacts): string[] {
	const { server, clawgate, status: code } = facts;
	const own = server?.statuses?.[code];
	return [...(clawgate ? [clawgateNote(clawgate.code)] : []), ...(own === undefined ? [] : [own])];
}

/** The same, and how that server lets WebSockets through. */
export function upgradeNotes(facts: AnswerFacts): string[] {
	const upgrade = facts.server?.upgrade;
	return [...notes(facts), ...(upgrade === undefined ? [] : [upgrade])];
}

function clawgateNote(code: string): string {
	if (/^(?:NO_ROUTE|ORIGIN_DENIED|ADDRESS_DENIED|UPGRADE_REQUIRED)$/.test(code)) {
		return `Clawgate refused with ${code}: \`clawgate explain\` with this URL, on its machine, shows which routes match and which check says no.`;
	}
	return `Clawgate refused with ${code}: its log has a \`ws.reject\` line with this code, the route and every attempt at a server.`;
}
