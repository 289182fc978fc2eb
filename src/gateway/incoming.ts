/** Reads Node's request into what the gateway works with: the facts for the log and the request for the rules. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { GatewayError } from "../errors.ts";
import { normaliseIp } from "../options.ts";
import { type ClientAddress, clientAddress } from "../protocol/client.ts";
import { countHeader, offeredSubprotocols } from "../protocol/handshake.ts";
import type { ClientCertificate, GatewayRequest } from "../protocol/request.ts";
import { parseTarget, splitAbsolute, splitHost } from "../protocol/target.ts";
import { parseTraceparent } from "../protocol/trace-context.ts";
import { clientCertificate } from "./client-certificate.ts";
import { type ConnectionFacts, DETAILS, type RequestDetails } from "./events.ts";
import { proxied } from "./proxied.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/** Where a request came in. */
export interface ListenerFacts {
	readonly name: string;
	/** 0 for a unix socket. Every connection has it as its local port: to ask each socket would be a system call more. */
	readonly port: number;
	/** `max_header_size`, bytes. */
	readonly maxHeaderSize: number;
}

/** A request on its way in: its client is known, nothing of it is checked yet. */
export interface Incoming {
	readonly message: IncomingMessage;
	readonly listener: string;
	/** Who speaks HTTP here: the TCP peer, or whom its PROXY header named. */
	readonly peerIp: string;
	/** Whether its own connection is encrypted. */
	readonly peerSecure: boolean;
	readonly peerPort: number;
	readonly client: ClientAddress;
	/** The header that `client` was read from. */
	readonly clientIpHeader: string;
	readonly certificate: ClientCertificate | undefined;
	/** The request target, in origin-form if it was in absolute-form. */
	readonly target: string;
	/** Host, or the authority of a target in absolute-form. */
	readonly authority: string;
	readonly facts: ConnectionFacts;
	/** Those of the facts. */
	readonly details: RequestDetails;
}

const SENT = Symbol("clawgate.sentTarget");
type SentSocket = Socket & { [SENT]?: { readonly read: string; readonly sent: string } | undefined };

/** Notes that the next request on a socket was sent with another target than Node will read. */
export function noteTarget(socket: Socket, read: string, sent: string): void {
	(socket as SentSocket)[SENT] = { read, sent };
}

function sentTarget(socket: SentSocket, read: string): string {
	const noted = socket[SENT];
	if (noted === undefined) return read;
	socket[SENT] = undefined;
	return noted.read === read ? noted.sent : read;
}

/** Collects the facts; never throws, so that every request can be logged whatever it holds. */
export function readIncoming(
	message: IncomingMessage,
	socket: Socket,
	listener: ListenerFacts,
	snapshot: Snapshot,
): Incoming {
	const { headers } = message;
	const tcpPeerIp = normaliseIp(socket.remoteAddress ?? "");
	const told = proxied(socket);
	const peerIp = told?.sourceIp ?? tcpPeerIp;
	const tlsSocket = "encrypted" in socket && socket.encrypted === true ? (socket as TLSSocket) : undefined;
	const certificate = tlsSocket && clientCertificate(tlsSocket);
	const port = told?.destinationPort ?? listener.port;
	const client = clientAddress(
		peerIp,
		headers,
		snapshot.trustedProxies,
		tlsSocket !== undefined,
		port,
		snapshot.clientIpHeader,
	);
	const url = sentTarget(socket, message.url ?? "");
	const { target = url, authority = headers.host } = url.startsWith("/") ? {} : (splitAbsolute(url) ?? {});
	const details: RequestDetails = {
		method: message.method,
		referer: bareUrl(headers.referer),
		bodyBytes: 0,
		trace: undefined,
		opened: undefined,
	};
	return {
		message,
		listener: listener.name,
		peerIp,
		peerSecure: tlsSocket !== undefined,
		peerPort: port,
		client,
		clientIpHeader: snapshot.clientIpHeader,
		certificate,
		target,
		authority: authority ?? "",
		details,
		facts: {
			[DETAILS]: details,
			connection_id: randomUUID(),
			trace_id: parseTraceparent(headers.traceparent)?.traceId,
			client_ip: client.clientIp,
			peer_ip: tcpPeerIp,
			listener: listener.name,
			host: authority,
			path: withoutQuery(target),
			origin: headers.origin,
			user_agent: headers["user-agent"],
			http_version: message.httpVersion,
			tls_version: tlsSocket?.getProtocol() ?? undefined,
			user: certificate?.commonName,
		},
	};
}

/**
 * The request for routing, balancing and forwarding.
 * @throws GatewayError BAD_TARGET, BAD_REQUEST, BAD_HANDSHAKE
 */
export function readRequest(
	incoming: Incoming,
	websocket: boolean,
	subprotocols: readonly string[] = offeredSubprotocols(incoming.message.headers["sec-websocket-protocol"]),
): GatewayRequest {
	const { message, client } = incoming;
	if (message.httpVersion !== "1.1" && message.httpVersion !== "1.0") {
		const hint = "only HTTP/1.1 and HTTP/1.0 are spoken here";
		throw new GatewayError("BAD_REQUEST", hint, { hint });
	}
	const hosts = countHeader(message.rawHeaders, "host");
	if (hosts > 1 || (hosts === 0 && message.httpVersion === "1.1")) {
		const hint = "exactly one Host header is required";
		throw new GatewayError("BAD_REQUEST", hint, { hint });
	}
	const target = parseTarget(incoming.target);
	if (!target) throw new GatewayError("BAD_TARGET");
	const { authority } = incoming;
	const host = authority === "" ? { host: "" } : splitHost(authority);
	if (!host)
		throw new GatewayError("BAD_REQUEST", "the Host header is not a host name", {
			hint: "the Host header is not a host name",
		});
	return {
		method: message.method ?? "",
		httpVersion: message.httpVersion,
		path: target.path,
		matchPath: target.matchPath,
		otherReadings: target.otherReadings,
		query: target.query,
		rawHeaders:
			websocket && message.headers["sec-websocket-version"] !== "13"
				? oneVersion(message.rawHeaders)
				: message.rawHeaders,
		headers: message.headers,
		authority,
		host: host.host,
		subprotocols,
		clientIp: client.clientIp,
		peerIp: incoming.peerIp,
		secure: client.secure,
		port: client.port,
		trustedPeer: client.trustedPeer,
		clientIpHeader: incoming.clientIpHeader,
		peerSecure: incoming.peerSecure,
		peerPort: incoming.peerPort,
		clientCertificate: incoming.certificate,
		listener: incoming.listener,
		websocket,
	};
}

/** Without a Sec-WebSocket-Version that repeats one (RFC 6455 §11.3.5: at most one); the list itself is not changed. */
function oneVersion(raw: readonly string[]): readonly string[] {
	if (countHeader(raw, "sec-websocket-version") < 2) return raw;
	const first = raw.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === "sec-websocket-version");
	return raw.filter((_, i) => i < first + 2 || (raw[i - (i % 2)] as string).toLowerCase() !== "sec-websocket-version");
}

/** On a connection with plain HTTP: route and client of its last request. A proxy's connection is that of many clients. */
const ASKED = Symbol("clawgate.asked");
type NotedSocket = Socket & { [ASKED]?: string };

/**
 * The first route that takes a request, and the request as that route sees it. The facts for the log are brought up to
 * date.
 * @throws GatewayError NO_ROUTE, BAD_TARGET, BAD_REQUEST
 */
export function findRoute(
	snapshot: Snapshot,
	{ facts, message: { socket } }: Incoming,
	received: GatewayRequest,
): { readonly route: Route; readonly request: GatewayRequest } {
	const route = snapshot.table.find(received);
	if (!route) throw new GatewayError("NO_ROUTE");
	let request = route.view === undefined ? received : route.view(received);
	if (!request.websocket) {
		const noted = socket as NotedSocket;
		const asked = `${route.name}\0${request.clientIp}`;
		if (noted[ASKED] === asked) request = { ...request, keptAlive: true };
		else noted[ASKED] = asked;
	}
	facts.route = route.name;
	facts.client_ip = request.clientIp;
	return { route, request };
}

function withoutQuery(target: string): string {
	const query = target.search(/[?#]/);
	return query < 0 ? target : target.slice(0, query);
}

/** A URL of a header without what may be secret in it. */
function bareUrl(url: string | undefined): string | undefined {
	return url === undefined ? undefined : withoutQuery(url).replace(/^([^:/]*:)?\/\/[^/]*@/, "$1//");
}
