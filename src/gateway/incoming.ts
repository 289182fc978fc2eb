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
import { parseTarget, splitHost } from "../protocol/target.ts";
import { clientCertificate } from "./client-certificate.ts";
import type { ConnectionFacts } from "./events.ts";
import { proxied } from "./proxied.ts";
import type { Snapshot } from "./snapshot.ts";

/** W3C Trace Context §3.2: version, trace id, parent id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** A request on its way in: its client is known, nothing of it is checked yet. */
export interface Incoming {
	readonly message: IncomingMessage;
	readonly listener: string;
	/** Who speaks HTTP here: the TCP peer, or whom its PROXY header named. */
	readonly peerIp: string;
	readonly client: ClientAddress;
	readonly certificate: ClientCertificate | undefined;
	readonly facts: ConnectionFacts;
}

/** Collects the facts; never throws, so that every request can be logged whatever it holds. */
export function readIncoming(message: IncomingMessage, socket: Socket, listener: string, snapshot: Snapshot): Incoming {
	const { headers } = message;
	const tcpPeerIp = normaliseIp(socket.remoteAddress ?? "");
	const told = proxied(socket);
	const peerIp = told?.sourceIp ?? tcpPeerIp;
	const tlsSocket = "encrypted" in socket && socket.encrypted === true ? (socket as TLSSocket) : undefined;
	const certificate = tlsSocket && clientCertificate(tlsSocket);
	const client = clientAddress(
		peerIp,
		headers,
		snapshot.trustedProxies,
		tlsSocket !== undefined,
		told?.destinationPort ?? socket.localPort ?? 0,
	);
	const target = message.url ?? "";
	const query = target.search(/[?#]/);
	return {
		message,
		listener,
		peerIp,
		client,
		certificate,
		facts: {
			connection_id: randomUUID(),
			trace_id: traceId(headers.traceparent),
			client_ip: client.clientIp,
			peer_ip: tcpPeerIp,
			listener,
			host: headers.host,
			path: query < 0 ? target : target.slice(0, query),
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
	const target = parseTarget(message.url ?? "");
	if (!target) throw new GatewayError("BAD_TARGET");
	const authority = message.headers.host ?? "";
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
		query: target.query,
		rawHeaders: message.rawHeaders,
		headers: message.headers,
		authority,
		host: host.host,
		subprotocols,
		clientIp: client.clientIp,
		peerIp: incoming.peerIp,
		secure: client.secure,
		port: client.port,
		trustedPeer: client.trustedPeer,
		clientCertificate: incoming.certificate,
		listener: incoming.listener,
		websocket,
	};
}

function traceId(traceparent: string | string[] | undefined): string | undefined {
	return typeof traceparent === "string" ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
}
