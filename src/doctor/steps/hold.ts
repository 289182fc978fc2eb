/** Step 8, when it is asked for: the connection is kept, idle or with Pings, and watched. */
import type { Ending, OpenWebSocket } from "../connection.ts";
import type { KnownServer } from "../servers.ts";
import { counted, duration } from "../words.ts";
import { endingWords } from "./ping.ts";

export interface HoldFacts {
	readonly ending: Ending;
	/** Milliseconds that it was to be kept, and that it was. */
	readonly wanted: number;
	readonly held: number;
	/** Milliseconds without a byte in either direction at the end. */
	readonly idle: number;
	/** Milliseconds between the Pings that were sent; undefined = it was left idle. */
	readonly pingEvery: number | undefined;
	/** Pings sent, and the server's own. */
	readonly sent: number;
	readonly received: number;
	/** A Ping, during the time or after it, had no Pong. */
	readonly unanswered: boolean;
	readonly timeout: number;
	readonly server: KnownServer | undefined;
}

/** Keeps the connection; `onTick` is called about every second with the milliseconds so far. */
export async function hold(
	connection: OpenWebSocket,
	options: Pick<HoldFacts, "wanted" | "pingEvery" | "timeout" | "server"> & {
		now: () => number;
		onTick: (held: number) => void;
	},
): Promise<HoldFacts> {
	const { wanted, pingEvery, timeout, server, now, onTick } = options;
	const started = now();
	const pingsBefore = connection.pings;
	const over = (): boolean => connection.ending.kind !== "open";
	let sent = 0;
	let unanswered = false;
	let nextPing = pingEvery ?? Number.POSITIVE_INFINITY;
	while (!over() && !unanswered) {
		const held = now() - started;
		if (held >= wanted) break;
		onTick(held);
		if (held >= nextPing) {
			sent++;
			unanswered = !(await pong(connection, timeout));
			nextPing += pingEvery as number;
			continue;
		}
		await connection.waitFor(over, Math.max(1, Math.min(1_000, wanted - held, nextPing - held)));
	}
	const idle = (over() ? connection.endedAt : now()) - connection.lastActivity;
	const held = (over() ? connection.endedAt : now()) - started;
	// Firewalls forget a connection without telling anybody: only a Ping shows whether it is still there.
	if (!over() && !unanswered) unanswered = !(await pong(connection, timeout));
	return {
		ending: connection.ending,
		wanted,
		held,
		idle,
		pingEvery,
		sent,
		received: connection.pings - pingsBefore,
		unanswered: unanswered && !over(),
		timeout,
		server,
	};
}

/** Whether a Ping is answered; a connection that ends meanwhile counts as an answer, it says more. */
function pong(connection: OpenWebSocket, timeout: number): Promise<boolean> {
	const payload = connection.ping();
	return connection.waitFor(() => {
		const found = connection.pongs.findIndex((each) => each.equals(payload));
		if (found >= 0) connection.pongs.length = 0;
		return found >= 0 || connection.ending.kind !== "open";
	}, timeout);
}

/** What the step saw. */
export function describeHold(facts: HoldFacts): string {
	const { ending, wanted, held, idle, pingEvery, sent, received, unanswered, timeout } = facts;
	const how =
		pingEvery === undefined
			? "without sending anything"
			: `with ${counted(sent, "Ping")}, one every ${duration(pingEvery)}`;
	const server = received > 0 ? `, ${counted(received, "Ping")} from the server` : "";
	if (ending.kind !== "open") {
		return `${endingWords(ending)} after ${duration(held)}, ${duration(idle)} after the last byte, ${how}${server}`;
	}
	if (unanswered) return `no Pong within ${duration(timeout)} after ${duration(held)} ${how}${server}`;
	return `open for ${duration(wanted)} ${how}${server}, and still answers`;
}
