/** What the machine's files say about names: addresses in /etc/hosts, and how /etc/resolv.conf completes a short name. */
import type { LookupAddress } from "node:dns";
import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";

/** `search` and `options ndots` of resolv.conf(5). */
export interface SearchList {
	readonly domains: readonly string[];
	/** A name with at least so many dots is asked for as it is first. */
	readonly ndots: number;
}

/** hosts(5): addresses by lower-case name, in the file's order. */
export function parseHosts(text: string): ReadonlyMap<string, readonly LookupAddress[]> {
	const byName = new Map<string, LookupAddress[]>();
	for (const line of text.split("\n")) {
		const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
		const family = isIP(address);
		if (family === 0) continue;
		for (const name of names) {
			const key = name.toLowerCase();
			byName.set(key, [...(byName.get(key) ?? []), { address, family }]);
		}
	}
	return byName;
}

/** The last of `search` and `domain` counts, as in the C library. */
export function parseSearchList(text: string): SearchList {
	let domains: string[] = [];
	let ndots = 1;
	for (const line of text.split("\n")) {
		const [key, ...values] = line.trim().split(/\s+/);
		if (key === "search" || key === "domain") domains = values.map((domain) => domain.replace(/\.$/, ""));
		if (key !== "options") continue;
		const written = values.find((option) => option.startsWith("ndots:"));
		if (written !== undefined) ndots = Math.min(15, Number.parseInt(written.slice("ndots:".length), 10) || 0);
	}
	return { domains: domains.filter((domain) => domain !== ""), ndots };
}

/** The names to ask for, one after the other until one has addresses. */
export function searchedNames(host: string, { domains, ndots }: SearchList): string[] {
	if (host.endsWith(".")) return [host.slice(0, -1)];
	const completed = domains.map((domain) => `${host}.${domain}`);
	return host.split(".").length - 1 >= ndots ? [host, ...completed] : [...completed, host];
}

/** A file's content in a parsed form, read again when it has changed. A file that cannot be read counts as empty. */
export class ParsedFile<T> {
	readonly #path: string;
	readonly #parse: (text: string) => T;
	#version = "";
	#parsed: T;

	constructor(path: string, parse: (text: string) => T) {
		this.#path = path;
		this.#parse = parse;
		this.#parsed = parse("");
	}

	async read(): Promise<T> {
		try {
			const { mtimeMs, size, ino } = await stat(this.#path);
			const version = `${mtimeMs} ${size} ${ino}`;
			if (version !== this.#version) {
				this.#parsed = this.#parse(await readFile(this.#path, "utf8"));
				this.#version = version;
			}
		} catch {
			// Machines without such a file are machines without such entries.
			this.#parsed = this.#parse("");
			this.#version = "";
		}
		return this.#parsed;
	}
}
