/** A worker tells the supervisor which tunnels it has, so that somebody can say how they ended when the worker is lost. */
import type { ConnectionFacts, EventSink } from "../gateway/events.ts";
import { factFields } from "../telemetry/log-fields.ts";
import type { SupervisorChannel } from "./contract.ts";
import type { OpenFacts } from "./open-connections.ts";

/**
 * A sink of the worker's events. It collects until {@link flush}, which is called before log lines are written: what
 * stands in the log is then known to the supervisor. Tunnels that were open only in between are never told.
 */
export class TunnelNewsSender implements EventSink {
	readonly #channel: Pick<SupervisorChannel, "tell" | "flush">;
	readonly #now: () => number;
	/** Opened since the last time, by id. */
	readonly #opened = new Map<string, ConnectionFacts>();
	/** Ended since then, of those that were told. */
	#ended: string[] = [];

	/** @param now ms since the epoch */
	constructor(channel: Pick<SupervisorChannel, "tell" | "flush">, now: () => number) {
		this.#channel = channel;
		this.#now = now;
	}

	open(facts: ConnectionFacts): void {
		this.#opened.set(facts.connection_id, facts);
	}

	close({ connection_id: id }: ConnectionFacts): void {
		if (!this.#opened.delete(id)) this.#ended.push(id);
	}

	flush(): void {
		if (this.#opened.size === 0 && this.#ended.length === 0) return;
		const opened_at = this.#now();
		const opened: [string, string][] = [];
		for (const [id, facts] of this.#opened) {
			const known: OpenFacts = { facts: factFields(facts) as unknown as ConnectionFacts, opened_at };
			opened.push([id, JSON.stringify(known)]);
		}
		this.#channel.tell("tunnels", { opened, ended: this.#ended });
		this.#channel.flush();
		this.#opened.clear();
		this.#ended = [];
	}
}
