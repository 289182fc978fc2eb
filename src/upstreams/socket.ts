/** A connection to an endpoint, up to the point where HTTP can be spoken: TCP or unix socket, PROXY header, TLS. */
import { connect, type LookupFunction, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { GatewayError } from "../errors.ts";
import { reservedFromBackends } from "../sockets/descriptors.ts";
import { descriptorOf } from "../sockets/direct-write.ts";
import { type EndpointAddress, endpointId } from "./endpoint.ts";
import { connectFailed, socketErrorWords } from "./failure.ts";
import { rememberSession, type TlsConnectOptions, tlsOptionsFor } from "./tls.ts";

/** Node's timers hold a signed 32-bit number; a longer wait would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** How to reach an endpoint. */
export interface SocketOptions {
	readonly address: EndpointAddress;
	/** For endpoints with `secure`; the system's authorities are trusted when absent. */
	readonly tls?: TlsConnectOptions | undefined;
	/** Finds the addresses of a host name; the system's own when absent. */
	readonly lookup?: LookupFunction | undefined;
	/** Milliseconds for name look-up and TCP connect; OFF = no limit. */
	readonly connectTimeout: number;
	/** Bytes sent before anything else, TLS included: a PROXY protocol header. */
	readonly preamble?: Buffer | undefined;
}

/**
 * Opens a connection and calls `done` exactly once, unless it was cancelled: with the socket, or with a GatewayError
 * CONNECT_FAILED or CONNECT_TIMEOUT (`retry: connect_failure`). The socket is half-open capable, without delay, with
 * keep-alive, and has {@link ignoreSocketError} as a listener for good.
 *
 * @returns gives the attempt up
 */
export function openSocket(
	options: SocketOptions,
	done: (error: GatewayError | undefined, socket: Socket | undefined) => void,
): () => void {
	const { address, tls, preamble, lookup } = options;
	const direct = address.secure && preamble === undefined;
	const tcp = direct ? openTls(address, tls, lookup) : openTcp(address, lookup);
	let secured = direct ? tcp : undefined;
	let over = false;

	const finish = (error: GatewayError | undefined): void => {
		if (over) return;
		over = true;
		clearTimeout(timer);
		for (const socket of secured === undefined || secured === tcp ? [tcp] : [tcp, secured]) {
			socket.off("error", onError).off("close", onClose).off("connect", onConnect).off("secureConnect", onReady);
			if (error !== undefined) socket.destroy();
		}
		done(error, error === undefined ? (secured ?? tcp) : undefined);
	};
	const onError = (error: Error): void => finish(connectFailed(address, socketErrorWords(error), error));
	const onClose = (): void => finish(connectFailed(address, "the connection was closed before it was ready"));
	const onReady = (): void => finish(undefined);
	const onConnect = (): void => {
		clearTimeout(timer);
		if (reservedFromBackends(descriptorOf(tcp))) {
			onError(Object.assign(new Error("no descriptor is left"), { code: "EMFILE" }));
			return;
		}
		tcp.setNoDelay(true);
		if (preamble !== undefined) tcp.write(preamble);
		if (!address.secure) onReady();
		else if (secured === undefined) secured = watch(connectTls({ ...tlsOptionsFor(address, tls), socket: tcp }));
	};
	const watch = (socket: Socket): Socket => {
		socket.on("error", ignoreSocketError);
		socket.on("error", onError).on("close", onClose);
		if (address.secure) socket.on("secureConnect", onReady);
		if (tls?.sessions) socket.on("session", (session: Buffer) => rememberSession(address, tls, session));
		return socket;
	};

	const timer = startTimer(options.connectTimeout, () =>
		finish(
			new GatewayError("CONNECT_TIMEOUT", `${endpointId(address)}: no connection within ${options.connectTimeout} ms`, {
				retry: "connect_failure",
			}),
		),
	);
	watch(tcp).on("connect", onConnect);
	return () => {
		if (over) return;
		over = true;
		clearTimeout(timer);
		tcp.destroy();
		secured?.destroy();
	};
}

function openTcp({ host, port, socketPath }: EndpointAddress, lookup: LookupFunction | undefined): Socket {
	if (socketPath !== undefined) return connect({ path: socketPath, allowHalfOpen: true });
	return connect({ host, port: port as number, allowHalfOpen: true, ...(lookup && { lookup }) });
}

function openTls(
	address: EndpointAddress,
	tls: TlsConnectOptions | undefined,
	lookup: LookupFunction | undefined,
): Socket {
	const options: ConnectionOptions & { allowHalfOpen: boolean } = {
		...tlsOptionsFor(address, tls),
		port: address.port as number,
		allowHalfOpen: true,
		...(lookup && { lookup }),
	};
	return connectTls(options);
}

/** A listener that keeps a socket's error from ending the process while nobody else listens; `close` follows anyway. */
export function ignoreSocketError(): void {
	// The one who owns the socket next sees `destroyed` or `close`.
}

/** A timer of `ms`; undefined, and never, when that is longer than Node can wait (24 days) or OFF. */
export function startTimer(ms: number, expired: () => void): NodeJS.Timeout | undefined {
	return ms <= LONGEST_TIMER ? setTimeout(expired, ms) : undefined;
}
