/** `listen` directives: the addresses, and which servers each has. */
import { isIPv6 } from "node:net";
import type { Directive } from "./directive.ts";
import type { Notes } from "./notes.ts";
import { Scope } from "./scope.ts";
import type { Named } from "./server-names.ts";

/** A server block. */
export interface ServerBlock {
	readonly directive: Directive;
	readonly scope: Scope;
}

/** A server block on one address. */
export interface SocketServer extends Named, ServerBlock {}

/** An address that nginx listens on. */
export interface Socket {
	/** As in `listeners[].address`. */
	readonly address: string;
	/** 0 for a unix socket. */
	readonly port: number;
	readonly ssl: boolean;
	readonly proxyProtocol: boolean;
	/** The first `listen` of it. */
	readonly directive: Directive;
	readonly servers: readonly SocketServer[];
}

interface Listen {
	readonly directive: Directive;
	readonly host: string;
	readonly port: number;
	readonly flags: readonly string[];
}

/** The addresses of all servers, in the order of the file. */
export function readSockets(http: Scope, notes: Notes): Socket[] {
	const found = new Map<string, { listens: Listen[]; servers: (ServerBlock & { defaults: boolean })[] }>();
	for (const directive of http.own("server")) {
		const scope = new Scope(directive.block ?? [], http);
		const listens = scope.own("listen").flatMap((listen) => readListen(listen, notes));
		// Without `listen` it is port 80, as for nginx run by root.
		if (scope.own("listen").length === 0) {
			listens.push({ directive, host: "0.0.0.0", port: 80, flags: [] });
			notes.add(directive, "has no listen: port 80 is taken for it", "dropped");
		}
		for (const listen of listens) {
			const key = addressOf(listen.host, listen.port);
			const socket = found.get(key) ?? { listens: [], servers: [] };
			found.set(key, socket);
			socket.listens.push(listen);
			const defaults = listen.flags.includes("default_server") || listen.flags.includes("default");
			socket.servers.push({ directive, scope, defaults });
		}
	}
	return [...found].map(([address, { listens, servers }]): Socket => {
		const fallback = servers.find(({ defaults }) => defaults) ?? servers[0];
		const has = (flag: string) => listens.some(({ flags }) => flags.includes(flag));
		const [first] = listens as [Listen];
		return {
			address,
			port: first.port,
			ssl: has("ssl") || servers.some(({ scope }) => scope.isOn("ssl")),
			proxyProtocol: has("proxy_protocol"),
			directive: first.directive,
			servers: servers.map((server) => ({
				directive: server.directive,
				scope: server.scope,
				names: server.scope.own("server_name"),
				isDefault: server === fallback,
			})),
		};
	});
}

function addressOf(host: string, port: number): string {
	if (host.startsWith("unix:")) return host;
	return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** More listeners than anybody wants. */
const MOST_PORTS = 100;

/** One for each port of a range; none when the address cannot be read. */
function readListen(directive: Directive, notes: Notes): Listen[] {
	const [address = "80", ...flags] = directive.args;
	const old = flags.find((flag) => flag === "http2" || flag === "spdy" || flag === "quic");
	if (old !== undefined) {
		notes.add(directive, `${old} is left out: WebSocket clients, and browsers then, use HTTP/1.1`, "dropped");
	}
	if (address.startsWith("unix:")) return [{ directive, host: address, port: 0, flags }];
	const match = /^(?:\[([^\]]+)\]|([^:]*[^\d:-][^:]*|\d+\.\d+\.\d+\.\d+))?(?::?(\d+)(?:-(\d+))?)?$/.exec(address);
	const [first, last] = [Number(match?.[3] ?? 80), Number(match?.[4] ?? match?.[3] ?? 80)];
	if (!match || first < 1 || last > 65535 || last < first || last - first >= MOST_PORTS) {
		const words = match ? `a listener has one port, and ${MOST_PORTS} are too many` : "this address cannot be read";
		notes.add(directive, `${words}: nothing listens there until you write the listener by hand`, "refused");
		return [];
	}
	const found = match[1] ?? match[2] ?? "0.0.0.0";
	const host = found === "*" ? "0.0.0.0" : found;
	return Array.from({ length: last - first + 1 }, (_, index) => ({ directive, host, port: first + index, flags }));
}

/** IPv4 and IPv6 of every interface in one listener, and none that another one covers. */
export function mergeAddresses(sockets: readonly Socket[]): { socket: Socket; address: string }[] {
	const wide = (port: number, host: string) =>
		sockets.find((one) => one.port === port && one.address === `${host}:${port}`);
	return sockets.flatMap((socket) => {
		const { port, address } = socket;
		if (port === 0) return [{ socket, address }];
		const [v4, v6] = [wide(port, "0.0.0.0"), wide(port, "[::]")];
		if (socket === v4) return [{ socket, address: v6 ? `:${port}` : address }];
		if (socket === v6) return v4 ? [] : [{ socket, address }];
		const covered = address.startsWith("[") ? v6 : v4;
		return covered ? [] : [{ socket, address }];
	});
}
