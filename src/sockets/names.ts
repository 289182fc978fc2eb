/**
 * The addresses of host names, for everything that dials. Node's own look-up (getaddrinfo) cannot be given up and runs in
 * a few threads that all share: two names whose name server is silent keep every other name waiting, `localhost` too.
 * Here /etc/hosts is read, the name servers are asked through sockets, and each look-up has an end of its own.
 */
import type { LookupAddress, LookupOptions } from "node:dns";
import type { LookupFunction } from "node:net";
import { LRUCache } from "lru-cache";
import { isUnknownName, NameServers, type NameServersOptions } from "./name-servers.ts";

/** From its beginning, a look-up of a name that has a last good address is waited for so long before that is used. */
const PATIENCE_MS = 500;
/** So long a failure counts: a flood of requests asks for a name that does not exist once a second. */
const FAILURE_MS = 1_000;
/** Look-ups at a time; names that had no answer the last time have places of their own, so that they block no others. */
const MOST_LOOK_UPS = 64;
const MOST_DOUBTFUL_LOOK_UPS = 16;
/** Names come from the configuration; far more than any has. */
const MOST_NAMES = 10_000;
/** How long addresses are used without asking again, where nothing else is configured. */
export const ADDRESS_CACHE_MS = 30_000;

export interface NamesOptions extends NameServersOptions {
	/** Milliseconds, monotonic. */
	readonly clock?: () => number;
	/** Takes `lookup.failed` and `lookup.recovered`, once for each change of a name. */
	readonly notice?: (level: "info" | "warn", event: string, fields: Record<string, unknown>) => void;
}

/** A look-up failed: `ENOTFOUND` (there is no such name) or `EAI_AGAIN` (nobody answered), as getaddrinfo has it. */
interface LookUpError extends NodeJS.ErrnoException {
	readonly code: "ENOTFOUND" | "EAI_AGAIN";
}

type Done = (error: LookUpError | undefined, addresses: readonly LookupAddress[]) => void;

/** What is known about a name. */
interface Known {
	/** The last good ones, and when they came. */
	addresses: readonly LookupAddress[] | undefined;
	at: number;
	failure: LookUpError | undefined;
	failedAt: number;
	/** Those who wait for the look-up that is under way; undefined when there is none. */
	waiting: Set<Done> | undefined;
	/** When the last look-up began. */
	askedAt: number;
	/** Goes round, so that connections are spread over several addresses. */
	turn: number;
}

/** One for each gateway process. */
export class Names {
	readonly #clock: () => number;
	readonly #notice: NonNullable<NamesOptions["notice"]>;
	readonly #servers: NameServers;
	readonly #known = new LRUCache<string, Known>({ max: MOST_NAMES });
	readonly #places = new Places(MOST_LOOK_UPS);
	readonly #doubtful = new Places(MOST_DOUBTFUL_LOOK_UPS);
	#closed = false;

	constructor(options: NamesOptions = {}) {
		this.#clock = options.clock ?? (() => performance.now());
		this.#notice = options.notice ?? (() => undefined);
		this.#servers = new NameServers(options);
	}

	/**
	 * The `lookup` option of `net.connect` and what is built on it.
	 *
	 * @param maxAge milliseconds for which addresses are used without asking again. After that the name is asked for; for
	 *   as long as there is no answer, the last good addresses stay in use.
	 */
	lookup(maxAge: number = ADDRESS_CACHE_MS): LookupFunction {
		return (host, options, callback) => {
			this.#find(host.toLowerCase(), maxAge, (error, addresses) => {
				if (error !== undefined) callback(error, []);
				else give(host, addresses, options, callback);
			});
		};
	}

	/** Gives up every look-up that is under way. */
	close(): void {
		this.#closed = true;
		this.#servers.close();
	}

	#find(host: string, maxAge: number, done: Done): void {
		let known = this.#known.get(host);
		if (known === undefined) {
			known = { addresses: undefined, at: 0, failure: undefined, failedAt: 0, waiting: undefined, askedAt: 0, turn: 0 };
			this.#known.set(host, known);
		}
		const { addresses, failure } = known;
		const now = this.#clock();
		if (addresses !== undefined && failure === undefined && now - known.at <= maxAge) {
			// Node's sockets expect the answer after `connect` has returned.
			process.nextTick(done, undefined, rotated(known, addresses));
			return;
		}
		if (failure !== undefined && known.waiting === undefined && now - known.failedAt <= FAILURE_MS) {
			process.nextTick(done, addresses === undefined ? failure : undefined, addresses ?? []);
			return;
		}
		const waiting = this.#begin(host, known);
		if (addresses === undefined) {
			waiting.add(done);
		} else if (failure !== undefined) {
			// It was silent the last time: nobody waits for it again.
			process.nextTick(done, undefined, rotated(known, addresses));
		} else {
			waitAtMost(PATIENCE_MS - (now - known.askedAt), waiting, done, rotated(known, addresses));
		}
	}

	/** Joins the look-up of a name that is under way, or begins one. */
	#begin(host: string, known: Known): Set<Done> {
		if (known.waiting !== undefined) return known.waiting;
		const waiting = new Set<Done>();
		known.waiting = waiting;
		known.askedAt = this.#clock();
		this.#ask(host, known.failure?.code === "EAI_AGAIN").then(
			(addresses) => {
				known.waiting = undefined;
				known.addresses = addresses;
				known.at = this.#clock();
				if (known.failure !== undefined) this.#notice("info", "lookup.recovered", { name: host });
				known.failure = undefined;
				for (const done of waiting) done(undefined, rotated(known, addresses));
			},
			(error: unknown) => {
				known.waiting = undefined;
				const failure = lookUpError(host, error);
				if (failure.code === "ENOTFOUND") known.addresses = undefined;
				if (known.failure?.code !== failure.code && !this.#closed) this.#tell(host, failure, known);
				known.failure = failure;
				known.failedAt = this.#clock();
				const kept = known.addresses;
				for (const done of waiting) done(kept === undefined ? failure : undefined, kept ?? []);
			},
		);
		return waiting;
	}

	#tell(host: string, { code }: LookUpError, { addresses }: Known): void {
		this.#notice("warn", "lookup.failed", {
			name: host,
			reason: code === "ENOTFOUND" ? "the name does not exist" : "no name server answered",
			...(addresses && { addresses: addresses.map(({ address }) => address) }),
		});
	}

	async #ask(host: string, doubtful: boolean): Promise<readonly LookupAddress[]> {
		const written = await this.#servers.written(host);
		if (written !== undefined) return written;
		const places = doubtful ? this.#doubtful : this.#places;
		await places.enter();
		try {
			return await this.#servers.ask(host);
		} finally {
			places.leave();
		}
	}
}

/** Places for so many at a time; the others wait in order. */
class Places {
	#free: number;
	readonly #queue: (() => void)[] = [];

	constructor(count: number) {
		this.#free = count;
	}

	async enter(): Promise<void> {
		if (this.#free > 0) this.#free--;
		else await new Promise<void>((resolve) => this.#queue.push(resolve));
	}

	leave(): void {
		const next = this.#queue.shift();
		if (next === undefined) this.#free++;
		else next();
	}
}

/** The same addresses beginning with the next one of the first family. */
function rotated(known: Known, addresses: readonly LookupAddress[]): readonly LookupAddress[] {
	if (addresses.length < 2) return addresses;
	const first = addresses.filter(({ family }) => family === addresses[0]?.family);
	const turn = known.turn++ % first.length;
	if (turn === 0) return addresses;
	const others = addresses.filter(({ family }) => family !== addresses[0]?.family);
	return [...first.slice(turn), ...first.slice(0, turn), ...others];
}

/** Calls `done` with what the look-up gives, or with `otherwise` when that takes too long. */
function waitAtMost(ms: number, waiting: Set<Done>, done: Done, otherwise: readonly LookupAddress[]): void {
	const timer = setTimeout(() => {
		waiting.delete(first);
		done(undefined, otherwise);
	}, ms);
	const first: Done = (error, addresses) => {
		clearTimeout(timer);
		done(error, addresses);
	};
	waiting.add(first);
}

/** Answers as `dns.lookup` does. */
function give(
	host: string,
	addresses: readonly LookupAddress[],
	{ all, family = 0 }: LookupOptions,
	callback: Parameters<LookupFunction>[2],
): void {
	const wanted = family === "IPv4" ? 4 : family === "IPv6" ? 6 : family;
	const fit = wanted === 0 ? addresses : addresses.filter((each) => each.family === wanted);
	const [first] = fit;
	if (first === undefined) callback(lookUpError(host, { code: "ENOTFOUND" }), []);
	else if (all === true) callback(null, [...fit]);
	else callback(null, first.address, first.family);
}

function lookUpError(host: string, cause: unknown): LookUpError {
	const code = isUnknownName(cause) ? "ENOTFOUND" : "EAI_AGAIN";
	return Object.assign(new Error(`${code} ${host}`, { cause }), { code } as const);
}
