/** Step 7: a Ping and its Pong (RFC 6455 §5.5.2), and whether the server wants to stay. */
import { closeMeaning } from "../close-codes.ts";
import type { Ending, OpenWebSocket } from "../connection.ts";
import type { KnownServer } from "../servers.ts";
import { counted, duration, printable } from "../words.ts";

export interface PingFacts {
	readonly ending: Ending;
	readonly pong: "right" | "wrong" | "none";
	/** Milliseconds until the Pong. */
	readonly ms: number;
	/** Data messages until then. */
	readonly messages: number;
	readonly timeout: number;
	readonly server: KnownServer | undefined;
}

/** Sends a Ping, waits for its Pong, then `settle` milliseconds more for a server that closes what it has accepted. */
export async function pingOnce(
	connection: OpenWebSocket,
	options: Pick<PingFacts, "timeout" | "server"> & { settle: number; now: () => number },
): Promise<PingFacts> {
	const { timeout, server, settle, now } = options;
	const started = now();
	const payload = connection.ping();
	const matching = (): boolean => connection.pongs.some((pong) => pong.equals(payload));
	const over = (): boolean => connection.ending.kind !== "open";
	await connection.waitFor(() => matching() || over(), timeout);
	const ms = now() - started;
	const pong = matching() ? "right" : connection.pongs.length > 0 ? "wrong" : "none";
	if (pong !== "none") await connection.waitFor(over, settle);
	connection.pongs.length = 0;
	return { ending: connection.ending, pong, ms, messages: connection.messages, timeout, server };
}

/** What the step saw. */
export function describePing({ ending, pong, ms, messages, timeout }: PingFacts): string {
	const parts: string[] = [];
	if (pong === "right") parts.push(`Pong after ${duration(ms)}`);
	else if (pong === "wrong") parts.push("a Pong with another payload");
	else if (ending.kind === "open") parts.push(`no Pong within ${duration(timeout)}`);
	if (ending.kind !== "open") parts.push(`${pong === "none" ? "" : "then "}${endingWords(ending)}`);
	if (messages > 0) parts.push(`${counted(messages, "message")} from the server`);
	return parts.join(", ");
}

/** How a connection ended, in words. */
export function endingWords(ending: Ending): string {
	switch (ending.kind) {
		case "open":
			return "it is open";
		case "close": {
			const reason = ending.reason === "" ? "" : ` ${JSON.stringify(printable(ending.reason, 123))}`;
			return `the server sent Close ${ending.code}${reason} (${closeMeaning(ending.code)})`;
		}
		case "fin":
			return "the server ended the connection without a Close frame (1006)";
		case "reset":
			return "the connection was reset (1006)";
		case "violation":
			return `the server sent ${ending.violation.words}`;
	}
}
