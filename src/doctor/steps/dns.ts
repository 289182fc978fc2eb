/** Step 2: the host's addresses. */
import { isIP } from "node:net";
import type { Address, Lookup } from "../system-lookup.ts";
import { counted, duration } from "../words.ts";

export interface DnsFacts {
	readonly host: string;
	/** How the addresses were found. */
	readonly source: "lookup" | "literal" | "given";
	readonly addresses: readonly Address[];
	/** The resolver's error code. */
	readonly error: string | undefined;
	readonly timedOut: boolean;
	/** Which addresses count: 4, 6, or both. */
	readonly family: 0 | 4 | 6;
	readonly timeout: number;
	/** Milliseconds that the resolver took, as far as that is known. */
	readonly ms?: number;
}

/** More addresses than this are not tried. */
const MAX_ADDRESSES = 16;

export async function findAddresses(
	host: string,
	options: { resolve: string | undefined; family: 0 | 4 | 6; timeout: number; lookup: Lookup },
): Promise<DnsFacts> {
	const { resolve, family, timeout, lookup } = options;
	const literal = resolve ?? host;
	const version = isIP(literal);
	const facts = { host, family, timeout, error: undefined, timedOut: false };
	if (version !== 0) {
		const wanted = family === 0 || family === version;
		const addresses = wanted ? [{ address: literal, family: version as 4 | 6 }] : [];
		return { ...facts, source: resolve === undefined ? "literal" : "given", addresses };
	}
	const found = await lookup(host, family, timeout);
	return { ...facts, ...found, source: "lookup", addresses: found.addresses.slice(0, MAX_ADDRESSES) };
}

/** What the step saw. */
export function describeDns({ host, source, addresses, error, timedOut, family, timeout }: DnsFacts): string {
	const list = addresses.map(({ address }) => address).join(", ");
	if (addresses.length === 0) {
		if (timedOut) return `no answer for ${host} within ${duration(timeout)}`;
		return `no ${family === 0 ? "" : `IPv${family} `}address for ${host}${error === undefined ? "" : ` (${error})`}`;
	}
	if (source === "literal") return `${list}, no name to look up`;
	if (source === "given") return `${list}, as given by --resolve`;
	return `${host} has ${counted(addresses.length, "address", "addresses")}: ${list}`;
}
