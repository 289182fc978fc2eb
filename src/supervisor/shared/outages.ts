/** Which endpoints are ejected, and whose breaker is open: told by one worker, passed on to the others. */
import type { EjectRequest, EndpointNews } from "../../upstreams/shared.ts";
import type { WorkerHandle } from "../contract.ts";
import { endpointKey, type SharedPermits } from "./permits.ts";

interface Outage {
	readonly news: Extract<EndpointNews, { readonly ms: number }>;
	/** When the ejection is over, or the breaker half-open. */
	readonly until: number;
}

/** A breaker that nobody tries for so long, in ms, is forgotten here: the endpoint may have gone. */
const UNTRIED_MS = 3_600_000;

/** What workers have to know about endpoints. Its size follows the endpoints there are. */
export class SharedOutages {
	readonly #clock: () => number;
	readonly #permits: SharedPermits;
	readonly #ejected = new Map<string, Outage>();
	readonly #open = new Map<string, Outage>();
	readonly #followers = new Set<WorkerHandle>();

	/** @param clock monotonic, ms */
	constructor(clock: () => number, permits: SharedPermits) {
		this.#clock = clock;
		this.#permits = permits;
	}

	/**
	 * Answers a worker.
	 * @returns to be called when its process is gone
	 */
	serve(worker: WorkerHandle): () => void {
		const { channel } = worker;
		channel.handle("followEndpoints", () => {
			this.#forget();
			this.#followers.add(worker);
			for (const outages of [this.#ejected, this.#open]) {
				for (const outage of outages.values()) this.#retell(worker, outage);
			}
		});
		channel.handle("eject", (asked) => this.#eject(worker, asked));
		channel.handle("breakerChanged", (news) => {
			const key = endpointKey(news);
			this.#forget();
			this.#permits.decided(news);
			if (news.state === "open") this.#open.set(key, { news, until: this.#clock() + news.ms });
			else this.#open.delete(key);
			this.#tell(worker, news);
		});
		return () => void this.#followers.delete(worker);
	}

	#eject(worker: WorkerHandle, { most, ...ejection }: EjectRequest): boolean {
		this.#forget();
		const key = endpointKey(ejection);
		const known = this.#ejected.get(key);
		if (known) {
			// Another one was faster, or this one does not know any more.
			this.#retell(worker, known);
			return false;
		}
		let ejected = 0;
		for (const { news } of this.#ejected.values()) if (news.upstream === ejection.upstream) ejected++;
		if (ejected >= most) return false;
		const news = { kind: "ejected", ...ejection } as const;
		this.#ejected.set(key, { news, until: this.#clock() + news.ms });
		this.#tell(worker, news);
		return true;
	}

	/** Tells what holds already, with the time that is left. */
	#retell({ channel }: WorkerHandle, { news, until }: Outage): void {
		channel.tell("endpointNews", { ...news, ms: Math.max(1, Math.ceil(until - this.#clock())) });
	}

	#tell(origin: WorkerHandle, news: EndpointNews): void {
		for (const follower of this.#followers) if (follower !== origin) follower.channel.tell("endpointNews", news);
	}

	#forget(): void {
		const now = this.#clock();
		for (const [key, { until }] of this.#ejected) if (until <= now) this.#ejected.delete(key);
		for (const [key, { until }] of this.#open) if (until + UNTRIED_MS <= now) this.#open.delete(key);
	}
}
