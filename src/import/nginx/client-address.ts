/** `set_real_ip_from` and `real_ip_header` as `trusted_proxies` and `client_ip_header`: nobody is believed whom nginx did not believe. */
import type { Notes } from "./notes.ts";
import { commonRanges } from "./ranges.ts";
import type { Scope } from "./scope.ts";

/** Who is believed about the client's address. */
export interface ClientAddress {
	/** `trusted_proxies`; empty: nobody. */
	readonly trusted: readonly string[];
	/** `client_ip_header`; undefined is the default, X-Forwarded-For. */
	readonly header: string | undefined;
	/** Whose PROXY headers count; undefined: anybody's. */
	readonly proxyProtocol: readonly string[] | undefined;
}

const RANGE = /^[\d.]+(?:\/\d+)?$|^[0-9a-fA-F:.]+:[0-9a-fA-F:.]*(?:\/\d+)?$/;

/** @param servers the scopes of all servers that are part of the result, since the gateway has one list for all */
export function clientAddress(servers: readonly Scope[], notes: Notes): ClientAddress {
	const headers = new Set(servers.map((scope) => scope.value("real_ip_header")?.toLowerCase() ?? "x-real-ip"));
	const lists = servers.map((scope) => rangesOf(scope, notes));
	const trusted = lists.length === 0 ? [] : lists.reduce((a, b) => commonRanges(a, b));
	const at = servers.map((scope) => scope.find("set_real_ip_from")).find((directive) => directive !== undefined);
	if (at === undefined) return { trusted: [], header: undefined, proxyProtocol: undefined };
	if (headers.size > 1) {
		notes.add(at, "real_ip_header differs between the servers, so nobody is believed: see client_ip_header", "status");
		return { trusted: [], header: undefined, proxyProtocol: [] };
	}
	if (lists.some((list) => list.join() !== lists[0]?.join())) {
		const words = "servers trust different proxies, so only those that all of them trust are believed";
		notes.add(at, words, "status");
	}
	const directive = servers[0]?.find("real_ip_header");
	const header = directive?.args[0] ?? "X-Real-IP";
	// What a client sends in X-Forwarded-For was not believed then.
	if (header.toLowerCase() === "proxy_protocol") return { trusted: [], header: undefined, proxyProtocol: trusted };
	if (header.toLowerCase() !== "x-forwarded-for") return { trusted, header, proxyProtocol: undefined };
	if (trusted.length > 0 && !servers.every((scope) => scope.isOn("real_ip_recursive"))) {
		const words =
			"nginx takes the last address in it; Clawgate goes on to the left as long as the address is a trusted one: trust single addresses";
		notes.add(directive ?? at, words, "status");
	}
	return { trusted, header: undefined, proxyProtocol: undefined };
}

function rangesOf(scope: Scope, notes: Notes): string[] {
	return scope.all("set_real_ip_from").flatMap((directive) => {
		const [range = ""] = directive.args;
		if (RANGE.test(range)) return [range];
		const words =
			range === "unix:"
				? "peers on unix sockets are trusted as soon as anybody is"
				: "only addresses and ranges can be trusted: write the addresses of this name into trusted_proxies";
		notes.add(directive, words, "dropped");
		return [];
	});
}
