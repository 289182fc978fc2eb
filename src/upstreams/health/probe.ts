/** What a probe is: one question to one endpoint, asked to learn whether it can serve. */
import type { LookupFunction, Socket } from "node:net";
import { OFF } from "../../options.ts";
import { type EndpointAddress, endpointId } from "../endpoint.ts";
import { openSocket } from "../socket.ts";
import type { TlsConnectOptions } from "../tls.ts";

/** `User-Agent` of probes that speak HTTP, so that a backend's access log can leave them out. */
export const USER_AGENT = "clawgate-health-check";

/** Whom a probe asks, and what. */
export interface ProbeTarget {
	/** With the port of the health check. */
	readonly address: EndpointAddress;
	readonly tls: TlsConnectOptions | undefined;
	/** Finds the addresses of a host name. */
	readonly lookup?: LookupFunction | undefined;
	/** Sent before anything else: a PROXY protocol header. */
	readonly preamble?: Buffer | undefined;
	/** Any 101 counts. */
	readonly lenient?: boolean | undefined;
	/** Request target in origin form (RFC 9112 §3.2.1). */
	readonly path: string;
	/** Host header, instead of the address's own. */
	readonly host?: string | undefined;
	/** Further headers. */
	readonly headers?: Readonly<Record<string, string>> | undefined;
	/** Offered by a websocket probe. */
	readonly subprotocol?: string | undefined;
	/** Statuses of an http probe that mean healthy. */
	readonly expectedStatuses: readonly number[];
}

/**
 * A kind of probe. Resolves, when the endpoint is healthy, with what it did in words; rejects otherwise with an Error
 * whose message says why, for the operator. The caller sets the time: it aborts the signal, and nothing of the probe
 * (sockets, timers, listeners) may be left after that. The signal stays good after the promise is settled, so that a
 * polite end of the connection need not delay the verdict.
 */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<string>;

/** The head of a probe's request, to be written as latin1; `lines` are the kind's own headers. */
export function probeHead({ address, path, host, headers = {} }: ProbeTarget, lines: string): string {
	const names = Object.keys(headers);
	let head = `GET ${path} HTTP/1.1\r\nHost: ${host ?? address.authority}\r\n`;
	if (!names.some((name) => name.toLowerCase() === "user-agent")) head += `User-Agent: ${USER_AGENT}\r\n`;
	// The bytes of UTF-8, where a value has more than ASCII.
	for (const name of names) head += `${name}: ${Buffer.from(headers[name] as string).toString("latin1")}\r\n`;
	return `${head}${lines}\r\n`;
}

/** An endpoint answered the probe, with a status that does not mean healthy. */
export class BadStatus extends Error {
	constructor(readonly status: number) {
		super(`status ${status}`);
	}
}

/** Opens the connection, TLS included; the socket is destroyed when the signal aborts. @throws GatewayError */
export function openProbeSocket({ address, tls, lookup, preamble }: ProbeTarget, signal: AbortSignal): Promise<Socket> {
	return new Promise((resolve, reject) => {
		const onAbort = (): void => {
			cancel();
			reject(new Error("the probe was given up"));
		};
		const cancel = openSocket({ address, tls, lookup, preamble, connectTimeout: OFF }, (error, socket) => {
			signal.removeEventListener("abort", onAbort);
			if (socket === undefined) {
				reject(error);
				return;
			}
			destroyOnAbort(socket, signal);
			resolve(socket);
		});
		signal.addEventListener("abort", onAbort, { once: true });
	});
}

/** Binds the socket's life to the probe's. */
export function destroyOnAbort(socket: Socket, signal: AbortSignal): void {
	const destroy = (): void => void socket.destroy();
	signal.addEventListener("abort", destroy, { once: true });
	socket.once("close", () => signal.removeEventListener("abort", destroy));
	if (signal.aborted) socket.destroy();
}

/**
 * Ends a connection that {@link destroyOnAbort} knows, with FIN: what the peer still sends is read and dropped, since
 * closing over unread bytes would be a reset in the backend's log.
 */
export function hangUp(socket: Socket): void {
	socket.resume();
	socket.end();
}

/** Why a probe failed, without the endpoint's name: the event has it in a field of its own. */
export function failureWords(error: unknown, address: EndpointAddress): string {
	const message = error instanceof Error ? error.message : String(error);
	const prefix = `${endpointId(address)}: `;
	return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}
