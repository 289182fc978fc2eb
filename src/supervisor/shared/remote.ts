/** A worker's access to what the supervisor keeps for all of them. */
import { LRUCache } from "lru-cache";
import type { CounterKey, CounterSize, Counters, Rate } from "../../policy/counters.ts";
import type { EndpointName, PermitAnswer, PermitRequest, SharedUpstreams } from "../../upstreams/shared.ts";
import type { SupervisorChannel } from "../contract.ts";
import { RemoteSessions } from "./remote-sessions.ts";
import { RemoteTurns } from "./remote-turns.ts";
import { limitsUnavailable } from "./unavailable.ts";

/**
 * A limit that cannot be asked refuses: the supervisor hangs, or is gone and the worker about to end. Nobody waits longer
 * than this, in ms.
 */
const LIMIT_MS = 2_000;
/** As many as the supervisor keeps rates for. */
const MAX_USED_UP = 100_000;

/** The counters of `limits`, kept by the supervisor. */
export class RemoteCounters implements Counters {
	readonly #channel: SupervisorChannel;
	/** Until when rates are used up, ms of {@link clock}. */
	readonly #usedUp = new LRUCache<string, number>({ max: MAX_USED_UP });
	readonly #clock: () => number;

	/** @param clock monotonic, ms */
	constructor(channel: SupervisorChannel, clock: () => number = () => performance.now()) {
		this.#channel = channel;
		this.#clock = clock;
		channel.handle("rateUsedUp", ({ key, ms }) => void this.#usedUp.set(idOf(key), this.#clock() + ms));
	}

	/** As the supervisor has told it to all workers. */
	blocked(key: CounterKey): number {
		return Math.max(0, (this.#usedUp.get(idOf(key)) ?? 0) - this.#clock());
	}

	/** @throws GatewayError LIMITS_UNAVAILABLE; a place that is granted later than that is given back */
	acquire(key: CounterKey, max: number): Promise<boolean> {
		const late = (granted: boolean): void => {
			if (granted) this.release(key);
		};
		return this.#channel.call("acquire", { key, max }, LIMIT_MS, late).catch(limitsUnavailable);
	}

	release(key: CounterKey): void {
		this.#channel.tell("release", key);
	}

	/** @throws GatewayError LIMITS_UNAVAILABLE */
	take(key: CounterKey, rate: Rate): Promise<number> {
		return this.#channel.call("takeRate", { key, rate }, LIMIT_MS).catch(limitsUnavailable);
	}

	/** Nothing: the supervisor reports them for the whole gateway. */
	sizes(): Iterable<CounterSize> {
		return [];
	}
}

/**
 * What upstreams share, kept by the supervisor.
 * @param number of the worker, from 1
 */
export function remoteUpstreams(channel: SupervisorChannel, number: number): SharedUpstreams {
	const released = (name: EndpointName, pending: boolean): void => channel.tell("permitReleased", { ...name, pending });
	const trialOver = (name: EndpointName, trial: number): void => channel.tell("trialOver", { ...name, trial });
	return {
		firstPick: number - 1,
		permit: (asked) => channel.call("permit", asked, LIMIT_MS, giveBack(asked)).catch(limitsUnavailable),
		opened: (name) => channel.tell("permitOpened", name),
		released,
		trialOver,
		// An endpoint that fails is better ejected here alone than not at all.
		eject: (asked) => channel.call("eject", asked, LIMIT_MS).catch(() => true),
		breakerChanged: (news) => channel.tell("breakerChanged", news),
		follow: (listener) => {
			channel.handle("endpointNews", listener);
			channel.tell("followEndpoints", undefined);
		},
		turns: (upstream) => new RemoteTurns(channel, upstream),
		sessions: (upstream) => new RemoteSessions(channel, upstream),
	};

	/** What to do with an answer that came too late. */
	function giveBack({ upstream, endpoint, ...asked }: PermitRequest): (answer: PermitAnswer) => void {
		const name = { upstream, endpoint };
		return (answer) => {
			if ("refused" in answer) return;
			if ((asked.max_connections ?? asked.max_pending_handshakes) !== undefined) released(name, true);
			if (answer.trial !== undefined) trialOver(name, answer.trial);
		};
	}
}

function idOf({ limit, route, key }: CounterKey): string {
	return `${limit}\0${route}\0${key}`;
}
