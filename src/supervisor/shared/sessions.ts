/**
 * The supervisor's side of `sticky: socketio`: which endpoint has which session, learnt by one worker and asked for by the
 * others when they meet it.
 *
 * A client may have its session's name, and come back with it to another worker, before the worker that read it is heard
 * here. So a question about an unknown session waits for a moment.
 */
import { StickyTable } from "../../upstreams/sticky/table.ts";
import type { WorkerHandle } from "../contract.ts";
import type { SessionName } from "./contract.ts";

/** How long a session may be on its way. In ms. */
const ON_ITS_WAY_MS = 200;
/** Questions that wait at once; further ones are answered with what is known. */
const MAX_WAITING = 10_000;

type Answer = (endpoint: string | undefined) => void;

/** The sessions of all workers. */
export class SharedSessions {
	readonly #clock: () => number;
	readonly #tables = new Map<string, StickyTable>();
	readonly #asked = new Map<string, Set<Answer>>();
	#waiting = 0;

	/** @param clock monotonic, ms */
	constructor(clock: () => number) {
		this.#clock = clock;
	}

	/** Answers a worker. */
	serve({ channel }: WorkerHandle): void {
		channel.handle("learnSession", ({ upstream, session, endpoint }) => {
			this.#table(upstream).learn(session, endpoint);
			for (const answer of this.#asked.get(keyOf({ upstream, session })) ?? []) answer(endpoint);
		});
		channel.handle("findSession", (name) => {
			const known = this.#table(name.upstream).get(name.session);
			return known !== undefined || this.#waiting >= MAX_WAITING ? known : this.#wait(keyOf(name));
		});
	}

	/** Forgets the sessions of other upstreams. */
	retain(upstreams: ReadonlySet<string>): void {
		for (const name of this.#tables.keys()) if (!upstreams.has(name)) this.#tables.delete(name);
	}

	#wait(key: string): Promise<string | undefined> {
		return new Promise((resolve) => {
			const answers = this.#asked.get(key) ?? new Set();
			this.#asked.set(key, answers);
			const answer: Answer = (endpoint) => {
				clearTimeout(timer);
				this.#waiting--;
				answers.delete(answer);
				if (answers.size === 0) this.#asked.delete(key);
				resolve(endpoint);
			};
			const timer = setTimeout(() => answer(undefined), ON_ITS_WAY_MS);
			this.#waiting++;
			answers.add(answer);
		});
	}

	#table(upstream: string): StickyTable {
		let table = this.#tables.get(upstream);
		if (table === undefined) {
			table = new StickyTable({ now: this.#clock });
			this.#tables.set(upstream, table);
		}
		return table;
	}
}

function keyOf({ upstream, session }: SessionName): string {
	return `${upstream}\0${session}`;
}
