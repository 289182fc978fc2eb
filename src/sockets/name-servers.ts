/** One look-up of a host name: /etc/hosts, then the name servers, then what else the system knows. It has an end of its own. */
import { type LookupAddress, promises, lookup as systemLookup } from "node:dns";
import { networkInterfaces } from "node:os";
import { ParsedFile, parseHosts, parseSearchList, type SearchList, searchedNames } from "./system-names.ts";

/**
 * Milliseconds for a whole look-up, and for one question to one name server. Shorter than `timeouts.connect` is by default,
 * so that an attempt fails with the reason.
 */
const LOOK_UP_MS = 4_000;
const QUESTION_MS = 1_500;
/** Once one family has addresses, the other one is waited for so long (RFC 8305 §3 has 50 ms). */
const SECOND_FAMILY_MS = 100;

export interface NameServersOptions {
	/** Name servers (`address:port`) instead of the system's. */
	readonly servers?: readonly string[];
	readonly hostsFile?: string;
	readonly resolvConf?: string;
	/** Asked last for what no name server knows: mDNS, NIS and the like. */
	readonly system?: typeof systemLookup;
	/** Milliseconds for a whole look-up. */
	readonly timeout?: number;
}

/** Asks; nothing is remembered. */
export class NameServers {
	readonly #servers: readonly string[] | undefined;
	readonly #system: typeof systemLookup;
	readonly #hosts: ParsedFile<ReadonlyMap<string, readonly LookupAddress[]>>;
	readonly #search: ParsedFile<SearchList>;
	readonly #timeout: number;
	/** Give up the look-ups that are under way. */
	readonly #giveUps = new Set<() => void>();
	#closed = false;
	/** The system's look-ups, one after the other: it never has more than one of the threads. */
	#lastSystemLookUp: Promise<unknown> = Promise.resolve();

	constructor(options: NameServersOptions) {
		this.#servers = options.servers;
		this.#system = options.system ?? systemLookup;
		this.#hosts = new ParsedFile(options.hostsFile ?? "/etc/hosts", parseHosts);
		this.#search = new ParsedFile(options.resolvConf ?? "/etc/resolv.conf", parseSearchList);
		this.#timeout = options.timeout ?? LOOK_UP_MS;
	}

	/** What needs no question: entries of the hosts file, and `localhost`. */
	async written(host: string): Promise<readonly LookupAddress[] | undefined> {
		const found = (await this.#hosts.read()).get(host) ?? loopbackOf(host);
		return found && sorted(found);
	}

	/**
	 * Asks for what is not {@link written}.
	 * @throws Error of node:dns or of getaddrinfo; see {@link isUnknownName}
	 */
	async ask(host: string): Promise<readonly LookupAddress[]> {
		return sorted(await this.#ask(host));
	}

	/** Gives up every look-up. */
	close(): void {
		this.#closed = true;
		for (const giveUp of this.#giveUps) giveUp();
	}

	async #ask(host: string): Promise<readonly LookupAddress[]> {
		if (this.#closed) throw givenUp();
		// A new one each time: it reads the system's list of name servers anew.
		const resolver = new promises.Resolver({ timeout: Math.min(QUESTION_MS, this.#timeout), tries: 2 });
		if (this.#servers) resolver.setServers(this.#servers);
		const end = new AbortController();
		const giveUp = (): void => {
			resolver.cancel();
			end.abort();
		};
		const timer = setTimeout(giveUp, this.#timeout);
		this.#giveUps.add(giveUp);
		try {
			return await askSearched(searchedNames(host, await this.#search.read()), resolver);
		} catch (error) {
			if (!mayBeKnownElsewhere(error) || end.signal.aborted) throw error;
			return await this.#askSystem(host, end.signal);
		} finally {
			clearTimeout(timer);
			this.#giveUps.delete(giveUp);
		}
	}

	/** What it knows besides DNS. It cannot be stopped, so it is only left behind, and the next one waits for its end. */
	#askSystem(host: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
		return new Promise((resolve, reject) => {
			signal.addEventListener("abort", () => reject(givenUp()), { once: true });
			this.#lastSystemLookUp = this.#lastSystemLookUp.then(
				() =>
					new Promise<void>((next) => {
						if (signal.aborted) {
							next();
							return;
						}
						this.#system(host, { all: true }, (error, addresses) => {
							if (error) reject(error);
							else resolve(addresses);
							next();
						});
					}),
			);
		});
	}
}

/** Whether a look-up's error says that there is no such name, and not that nobody could tell. */
export function isUnknownName(error: unknown): boolean {
	return NO_SUCH_NAME.has(codeOf(error));
}

/** The names one after the other. A server that fails for one of them may know the next (as in the C library). */
async function askSearched(names: readonly string[], resolver: promises.Resolver): Promise<readonly LookupAddress[]> {
	let failure: unknown;
	for (const name of names) {
		try {
			const addresses = await askBoth(name, resolver);
			if (addresses.length > 0) return addresses;
		} catch (error) {
			if (codeOf(error) !== "ESERVFAIL") throw error;
			failure = error;
		}
	}
	throw failure ?? Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
}

/** The addresses of both families; of one, where the other is not answered in time. None: there is no such name. */
function askBoth(name: string, resolver: promises.Resolver): Promise<LookupAddress[]> {
	return new Promise((resolve, reject) => {
		const found: LookupAddress[] = [];
		let failure: unknown;
		let left = 2;
		let timer: NodeJS.Timeout | undefined;
		const settle = (): void => {
			clearTimeout(timer);
			if (found.length > 0 || failure === undefined) resolve(found);
			else reject(failure);
		};
		const over = (): void => {
			left--;
			if (left === 0) settle();
			else if (found.length > 0) timer = setTimeout(settle, SECOND_FAMILY_MS);
		};
		const take = (family: 4 | 6) => (addresses: readonly string[]) => {
			found.push(...addresses.map((address) => ({ address, family })));
			over();
		};
		const miss = (error: unknown): void => {
			if (!NO_SUCH_NAME.has(codeOf(error))) failure = error;
			over();
		};
		resolver.resolve4(name).then(take(4), miss);
		resolver.resolve6(name).then(take(6), miss);
	});
}

const NO_SUCH_NAME: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA"]);

/** No name server has the name, or there is none to ask. */
function mayBeKnownElsewhere(error: unknown): boolean {
	return isUnknownName(error) || codeOf(error) === "ECONNREFUSED";
}

/** RFC 6761 §6.3: no name server is asked for these. */
function loopbackOf(host: string): readonly LookupAddress[] | undefined {
	if (!/(^|\.)localhost\.?$/.test(host)) return undefined;
	return [
		{ address: "::1", family: 6 },
		{ address: "127.0.0.1", family: 4 },
	];
}

/** IPv6 first where this machine can use it, last where it cannot: what RFC 6724 comes to for most machines. */
function sorted(addresses: readonly LookupAddress[]): readonly LookupAddress[] {
	if (addresses.every(({ family }) => family === addresses[0]?.family)) return addresses;
	const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
	const usable = (address: string): boolean =>
		own.some((each) =>
			each.family !== "IPv6" ? false : address === "::1" ? each.internal : !each.internal && each.scopeid === 0,
		);
	const rank = ({ family, address }: LookupAddress): number => (family === 4 ? 1 : usable(address) ? 0 : 2);
	return addresses.toSorted((a, b) => rank(a) - rank(b));
}

function givenUp(): Error {
	return Object.assign(new Error("given up"), { code: "ECANCELLED" });
}

function codeOf(error: unknown): string {
	return error instanceof Object && "code" in error ? String(error.code) : "";
}
