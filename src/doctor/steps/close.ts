/** The last step: the closing handshake (RFC 6455 §7.1.2). */
import { closeMeaning } from "../close-codes.ts";
import type { OpenWebSocket } from "../connection.ts";
import { duration } from "../words.ts";

export interface CloseFacts {
	/** What answered our Close frame. */
	readonly outcome: "echo" | "silent" | "fin" | "reset" | "violation";
	/** Of the echo; 1005 = without a code. */
	readonly code: number | undefined;
	/** Whether the server ended TCP after its echo, as RFC 6455 §7.1.1 wants it. */
	readonly tcpEnded: boolean;
	/** Milliseconds until the answer. */
	readonly ms: number;
	readonly timeout: number;
}

/** How long a server may take to end TCP after the closing handshake. */
const TCP_TIMEOUT = 2_000;

/** Sends Close 1000 and waits for the echo and the end. */
export async function closePolitely(
	connection: OpenWebSocket,
	options: { timeout: number; now: () => number },
): Promise<CloseFacts> {
	const { timeout, now } = options;
	const started = now();
	connection.close();
	await connection.waitFor(() => connection.ending.kind !== "open", timeout);
	const ms = now() - started;
	const { ending } = connection;
	if (ending.kind !== "close") {
		const outcome = ending.kind === "open" ? "silent" : ending.kind;
		return { outcome, code: undefined, tcpEnded: connection.tcpEnded, ms, timeout };
	}
	await connection.waitFor(() => connection.tcpEnded, Math.min(TCP_TIMEOUT, timeout));
	return { outcome: "echo", code: ending.code, tcpEnded: connection.tcpEnded, ms, timeout };
}

/** What the step saw. */
export function describeClose({ outcome, code, tcpEnded, ms, timeout }: CloseFacts): string {
	switch (outcome) {
		case "echo": {
			const words = code === 1000 ? "" : ` (${closeMeaning(code as number)})`;
			const tcp = tcpEnded ? "then the server ended TCP" : "but the server leaves TCP open";
			return `Close ${code}${words} came back after ${duration(ms)}, ${tcp}`;
		}
		case "silent":
			return `no Close came back within ${duration(timeout)}`;
		case "fin":
			return "the server ended TCP without sending its Close";
		case "reset":
			return "the connection was reset instead of closed";
		case "violation":
			return "the server sent something that is not a frame instead of its Close";
	}
}
