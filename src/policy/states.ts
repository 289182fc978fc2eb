/** What checks keep across reloads: counters, revocations, keys from URLs, the agents and threads they work with. */
import type { LookupFunction } from "node:net";
import { type Counters, LocalCounters } from "./counters.ts";
import { RecentLogins } from "./failed-logins.ts";
import { AuthAgents } from "./forward-agents.ts";
import { type JwksOptions, JwksSource } from "./jwks.ts";
import type { Notice } from "./notice.ts";
import { PasswordVerifier } from "./passwords.ts";
import { Revocations } from "./revocations.ts";

export interface PolicyStatesOptions {
	/** ms since the epoch. */
	readonly now: () => number;
	/** Monotonic, ms. */
	readonly clock: () => number;
	/** A number in [0, 1). */
	readonly random: () => number;
	/** Calls back once after about so many ms, unless the returned function is called before. */
	readonly after: (ms: number, callback: () => void) => () => void;
	readonly notice: Notice;
	/** A limit has refused a connection; for metrics. */
	readonly limited: (route: string, limit: string) => void;
	/** Shared ones when there are workers. */
	readonly counters?: Counters;
	/** Finds the addresses of host names; Node's own when absent. */
	readonly lookup?: LookupFunction | undefined;
}

/** One for each gateway process. */
export class PolicyStates {
	readonly now: () => number;
	readonly clock: () => number;
	readonly random: () => number;
	readonly after: PolicyStatesOptions["after"];
	readonly notice: Notice;
	readonly limited: PolicyStatesOptions["limited"];
	readonly counters: Counters;
	readonly revocations: Revocations;
	readonly passwords = new PasswordVerifier();
	readonly agents: AuthAgents;
	readonly recentLogins = new RecentLogins();
	/** By URL: names of the configuration, so it is bounded by it. */
	readonly #jwks = new Map<string, JwksSource>();
	readonly #stop = new AbortController();

	constructor(options: PolicyStatesOptions) {
		this.now = options.now;
		this.clock = options.clock;
		this.random = options.random;
		this.after = options.after;
		this.notice = options.notice;
		this.limited = options.limited;
		this.counters = options.counters ?? new LocalCounters(options.clock);
		this.revocations = new Revocations(options.now);
		this.agents = new AuthAgents(options.lookup);
	}

	/** The keys of a URL: those an earlier snapshot has fetched, or none yet. */
	jwks(options: JwksOptions): JwksSource {
		let source = this.#jwks.get(options.url);
		if (source === undefined) {
			source = new JwksSource(options, {
				clock: this.clock,
				notice: this.notice,
				signal: this.#stop.signal,
				lookup: this.agents.lookup,
			});
			this.#jwks.set(options.url, source);
		} else {
			source.configure(options);
		}
		return source;
	}

	/** Forgets the keys of URLs that are not in the snapshot any more. */
	prune(urls: Iterable<string>): void {
		const kept = new Set(urls);
		for (const url of this.#jwks.keys()) if (!kept.has(url)) this.#jwks.delete(url);
	}

	/** Ends what runs in the background. */
	async close(): Promise<void> {
		this.#stop.abort();
		this.agents.close();
		await this.passwords.close();
	}
}
