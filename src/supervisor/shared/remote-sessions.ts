/** A worker's side of the session table of `sticky: socketio`. */
import { type Sessions, StickyTable } from "../../upstreams/sticky/table.ts";
import type { SupervisorChannel } from "../contract.ts";
import { limitsUnavailable } from "./unavailable.ts";

/**
 * A session is asked for anew after so many ms: the supervisor then knows that it is in use, and a replacement worker
 * finds it there.
 */
const KEPT_MS = 600_000;
/** The longest wait for an answer, in ms. */
const ANSWER_MS = 2_000;

/** The sessions of one upstream: those met here, and the supervisor's. */
export class RemoteSessions implements Sessions {
	readonly #channel: SupervisorChannel;
	readonly #upstream: string;
	readonly #met = new StickyTable({ now: () => performance.now(), ttl: KEPT_MS, renew: false });

	constructor(channel: SupervisorChannel, upstream: string) {
		this.#channel = channel;
		this.#upstream = upstream;
	}

	get size(): number {
		return this.#met.size;
	}

	get(session: string): string | undefined {
		return this.#met.get(session);
	}

	learn(session: string, endpoint: string): void {
		this.#met.learn(session, endpoint);
		this.#channel.tell("learnSession", { upstream: this.#upstream, session, endpoint });
	}

	async recall(session: string): Promise<void> {
		const asked = { upstream: this.#upstream, session };
		const endpoint = await this.#channel.call("findSession", asked, ANSWER_MS).catch(limitsUnavailable);
		if (endpoint !== undefined) this.#met.learn(session, endpoint);
	}
}
