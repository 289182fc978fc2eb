/** Starting a server to listen, with errors that an operator can act on. */
import { chmod, lstat, unlink } from "node:fs/promises";
import { type AddressInfo, connect, isIPv6, type Server } from "node:net";

/** How long an existing unix socket may take to answer before it counts as in use. */
const PROBE_MS = 1000;

/** Where to listen: `path` for a unix socket, else `port` on `host` (all addresses when absent; port 0 = any free one). */
export interface ListenAddress {
	readonly host?: string | undefined;
	readonly port?: number | undefined;
	readonly path?: string | undefined;
}

/** The address cannot be listened on. The message is one line: what, why, and what to do. */
export class ListenError extends Error {
	override readonly name = "ListenError";
	/** The system's word for it: EADDRINUSE, EACCES … */
	readonly code: string;

	constructor(message: string, code: string, cause: unknown) {
		super(message, { cause });
		this.code = code;
	}
}

/**
 * Starts to listen; resolves with what `server.address()` says then. A unix socket left behind by a process that is
 * gone is removed first. `what` is the config key of the address, for the message; `mode` is for the file of a unix socket.
 *
 * @throws {ListenError} the port or socket is taken, not permitted, or not on this machine.
 */
export async function listen(
	server: Server,
	address: ListenAddress,
	what: string,
	mode?: number,
): Promise<AddressInfo | string> {
	try {
		return await tryListen(server, address, mode);
	} catch (error) {
		if (errorCode(error) !== "EADDRINUSE" || address.path === undefined) throw listenError(error, address, what);
		await removeStaleSocket(address.path, error, address, what);
	}
	try {
		return await tryListen(server, address, mode);
	} catch (error) {
		throw listenError(error, address, what);
	}
}

/** The address as an operator writes it: `127.0.0.1:80`, `:80`, `[::1]:80`, `unix:/run/x.sock`. */
export function formatAddress(address: ListenAddress): string {
	if (address.path !== undefined) return `unix:${address.path}`;
	const host = address.host ?? "";
	return `${isIPv6(host) ? `[${host}]` : host}:${address.port ?? 0}`;
}

async function tryListen(server: Server, address: ListenAddress, mode?: number): Promise<AddressInfo | string> {
	const bound = await bind(server, address);
	if (address.path === undefined || mode === undefined) return bound;
	try {
		await chmod(address.path, mode);
	} catch (error) {
		server.close();
		throw error;
	}
	return bound;
}

function bind(server: Server, { host, port, path }: ListenAddress): Promise<AddressInfo | string> {
	return new Promise((resolve, reject) => {
		const onError = (error: Error): void => {
			server.off("listening", onListening);
			reject(error);
		};
		const onListening = (): void => {
			server.off("error", onError);
			// A listening server always has an address.
			resolve(server.address() as AddressInfo | string);
		};
		server.once("error", onError);
		server.once("listening", onListening);
		try {
			if (path !== undefined) server.listen({ path });
			else server.listen(host === undefined ? { port: port ?? 0 } : { host, port: port ?? 0 });
		} catch (error) {
			server.off("error", onError);
			onError(error as Error);
		}
	});
}

/** Removes the file when it is a socket that nobody listens on; otherwise the address stays taken. */
async function removeStaleSocket(path: string, error: unknown, address: ListenAddress, what: string): Promise<void> {
	try {
		if (!(await lstat(path)).isSocket()) {
			throw new ListenError(
				`cannot listen on ${formatAddress(address)} (${what}): a file that is not a socket is in the way; change ${what} or remove the file`,
				"EADDRINUSE",
				error,
			);
		}
		if (!(await isRefused(path))) throw listenError(error, address, what);
		await unlink(path);
	} catch (failure) {
		if (failure instanceof ListenError) throw failure;
		// Gone in the meantime: what we wanted.
		if (errorCode(failure) !== "ENOENT") throw listenError(failure, address, what);
	}
}

/** Whether a connection to the socket is refused: it is a leftover. */
function isRefused(path: string): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ path });
		const settle = (refused: boolean): void => {
			socket.destroy();
			resolve(refused);
		};
		socket.once("error", (error) => settle(errorCode(error) === "ECONNREFUSED"));
		socket.once("connect", () => settle(false));
		socket.setTimeout(PROBE_MS, () => settle(false));
	});
}

function errorCode(error: unknown): string {
	const code = (error as NodeJS.ErrnoException | undefined)?.code;
	return typeof code === "string" ? code : "UNKNOWN";
}

function listenError(error: unknown, address: ListenAddress, what: string): ListenError {
	const code = errorCode(error);
	const reason = reasonFor(code, address, what) ?? `${error instanceof Error ? error.message : error}; change ${what}`;
	return new ListenError(`cannot listen on ${formatAddress(address)} (${what}): ${reason}`, code, error);
}

function reasonFor(code: string, address: ListenAddress, what: string): string | undefined {
	const unix = address.path !== undefined;
	switch (code) {
		case "EADDRINUSE":
			return `the ${unix ? "socket" : "port"} is in use by another process; change ${what} or stop that process`;
		case "EACCES":
		case "EPERM":
			return unix
				? `permission denied; change ${what} or give this user write access to the folder`
				: `permission denied; change ${what} to a port above 1023 or give the process CAP_NET_BIND_SERVICE`;
		case "EADDRNOTAVAIL":
			return `no interface of this machine has that address; change ${what}`;
		case "EAFNOSUPPORT":
			return `this machine does not support that kind of address; change ${what}`;
		case "ENOTFOUND":
		case "EAI_AGAIN":
			return `the host name cannot be resolved; change ${what} to an address`;
		case "ENOENT":
			return `the folder of the socket does not exist; create it or change ${what}`;
		default:
			return undefined;
	}
}
