/** Addresses to listen on, as written in `listeners[].address` and `admin.address`. */
import { isIP, isIPv6 } from "node:net";
import { z } from "zod";

/**
 * Where to listen; made to be handed to `server.listen()`. Either `path` or `port` is set.
 * Without `host` it is every interface, IPv4 and IPv6. Port 0 lets the system choose.
 */
export interface ListenAddress {
	readonly host?: string;
	readonly port?: number;
	readonly path?: string;
}

const EXPECTED = 'expected "host:port", ":port", "[::1]:443" or "unix:/path"';
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

/** Reads an address; undefined when it is none. A unix path has to be absolute. */
export function parseListenAddress(text: string): ListenAddress | undefined {
	if (text.startsWith("unix:")) {
		const path = text.slice("unix:".length);
		return /^\/[^\0]+$/.test(path) ? { path } : undefined;
	}
	const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
	if (!match) return undefined;
	const port = Number(match[3]);
	if (port > 65535) return undefined;
	if (match[1] !== undefined) return isIPv6(match[1]) ? { host: match[1], port } : undefined;
	const host = match[2] as string;
	if (host === "") return { port };
	// 1.2.3 or 1.2.3.400 would pass as a host name and then fail to resolve at start.
	if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return undefined;
	return HOST_NAME.test(host) ? { host, port } : undefined;
}

/** The address option; the value is a {@link ListenAddress}. */
export const listenAddress = z.string({ error: EXPECTED }).transform((text, context): ListenAddress => {
	const address = parseListenAddress(text);
	if (address) return address;
	context.addIssue({ code: "custom", message: EXPECTED, input: text });
	return z.NEVER;
});

/** Whether only this machine can reach the address. */
export function isLoopback(address: ListenAddress): boolean {
	if (address.path !== undefined) return true;
	const host = address.host?.toLowerCase();
	if (host === undefined) return false;
	return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Whether the two cannot be open at once: the same port, and the same host or one of them every interface. */
export function addressesClash(a: ListenAddress, b: ListenAddress): boolean {
	if (a.path !== undefined || b.path !== undefined) return a.path === b.path;
	if (a.port !== b.port || a.port === 0) return false;
	const [hostA, hostB] = [canonicalHost(a.host), canonicalHost(b.host)];
	if (hostA === hostB || hostA === "::" || hostB === "::") return true;
	return (hostA === "0.0.0.0" && !isIPv6(hostB)) || (hostB === "0.0.0.0" && !isIPv6(hostA));
}

function canonicalHost(host: string | undefined): string {
	if (host === undefined) return "::";
	return isIPv6(host) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host.toLowerCase();
}
