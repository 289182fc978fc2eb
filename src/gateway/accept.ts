/** The story of one WebSocket connection, from the request to the open tunnel (docs/lifecycle.md). */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { asGatewayError, GatewayError } from "../errors.ts";
import { type Admission, admit } from "../policy/admission.ts";
import { badVersion, checkHandshake } from "../protocol/handshake.ts";
import { clientAnswerHead } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { atOnce } from "../slices.ts";
import { writeAll } from "../sockets/direct-write.ts";
import { Tunnel } from "../tunnel/tunnel.ts";
import { discard } from "../upstreams/attempts/attempt.ts";
import type { Lease } from "../upstreams/attempts/lease.ts";
import type { Accepted } from "../upstreams/dial.ts";
import type { Upstream } from "../upstreams/upstream.ts";
import { ClientGuard } from "./client-guard.ts";
import { type Connected, connect } from "./connect.ts";
import { Connection } from "./connections.ts";
import type { Attempt } from "./events.ts";
import type { Gateway } from "./gateway.ts";
import { type HubConnection, openInHub } from "./hub-connection.ts";
import { findRoute, type ListenerFacts, readIncoming, readRequest } from "./incoming.ts";
import { tellInternalError } from "./internal-error.ts";
import { preambleFor } from "./proxied.ts";
import { reject } from "./rejection.ts";
import { refuse, relayRefusal } from "./respond.ts";
import { retire } from "./retire.ts";
import type { Session } from "./session.ts";
import { bindingCookies } from "./sides.ts";
import type { Route, Snapshot } from "./snapshot.ts";

/** Takes an upgrade request to its tunnel, or to its answer. Never throws; leaves exactly one open or reject event. */
export async function accept(
	gateway: Gateway,
	listener: ListenerFacts,
	message: IncomingMessage,
	socket: Socket,
	head: Buffer,
): Promise<void> {
	const guard = new ClientGuard(socket, head);
	const { snapshot } = gateway;
	const incoming = readIncoming(message, socket, listener, snapshot);
	const { facts } = incoming;
	const startedAt = gateway.clock();
	gateway.tracing.begin(incoming, true);
	const attempts: Attempt[] = [];
	let admission: Admission | undefined;
	let connected: Connected | undefined;
	let connection: Connection | HubConnection | undefined;
	gateway.handshakes.add(socket);
	try {
		if (gateway.stopping) throw shuttingDown();
		const { key, subprotocols, draft } = checkHandshake(message, snapshot.lenient);
		const found = findRoute(snapshot, incoming, readRequest(incoming, true, subprotocols));
		const { route } = found;
		admission = await admit(route.policy, {
			request: found.request,
			route: route.name,
			connectionId: facts.connection_id,
			signal: guard.signal,
		});
		const { request } = admission;
		facts.user = admission.user;
		if (route.hub) {
			mayOpen(gateway, guard, admission);
			connection = openInHub(gateway, route.hub, { facts, startedAt, route, admission, key, socket, guard });
			settle(gateway, snapshot, connection);
			return;
		}
		const recalled = route.sides.recall(request);
		if (recalled !== undefined) await recalled;
		const upstream = route.sides.of(request);
		facts.upstream = upstream.name;
		if (draft && !upstream.lenient) throw badVersion();
		connected = await connect({
			request,
			checkHeaders: admission.headers,
			key,
			route,
			upstream,
			connectionId: facts.connection_id,
			preamble: preambleFor(upstream.proxyProtocol, socket, request.clientIp),
			signal: guard.signal,
			clock: gateway.clock,
			trace: incoming.details.trace,
			attempts,
		});
		const { lease, result } = connected;
		facts.endpoint = lease.endpoint.id;
		if (result.kind === "refused") {
			guard.discard();
			const rawHeaders = answerHeaders(route, request, lease, result.rawHeaders);
			incoming.details.bodyBytes = relayRefusal(socket, { ...result, rawHeaders }, route.responseHeaders);
			const message = `the backend answered ${result.status}`;
			const error = new GatewayError("BACKEND_REFUSED", message);
			admission.leases?.release();
			reject(gateway, error, { facts, startedAt, attempts, backendStatus: result.status });
			return;
		}
		mayOpen(gateway, guard, admission);
		facts.subprotocol = result.subprotocol;
		upstream.answered(lease.endpoint, result.subprotocol, request.subprotocols);
		connection = new Connection(gateway.connections, facts, startedAt);
		connection.admitted(route, admission);
		open(gateway, connection, { admission, route, upstream, lease, result, socket, guard, attempts });
		settle(gateway, snapshot, connection);
	} catch (error) {
		if (connection?.isOpen) {
			connection.failed(error);
			return;
		}
		const failure = guard.gone ? new GatewayError("CLIENT_GONE") : asGatewayError(error);
		if (failure.code === "INTERNAL") {
			tellInternalError(gateway.events, failure, { connection_id: facts.connection_id });
		}
		guard.discard();
		if (guard.gone) socket.destroy();
		else incoming.details.bodyBytes = refuse(socket, failure);
		admission?.leases?.release();
		reject(gateway, failure, { facts, startedAt, attempts });
	} finally {
		if (connected && !connection?.isOpen) discard(connected);
		gateway.handshakes.delete(socket);
	}
}

/** @throws GatewayError when the client, the gateway or the permission is gone meanwhile */
function mayOpen(gateway: Gateway, guard: ClientGuard, admission: Admission): void {
	if (guard.gone) throw new GatewayError("CLIENT_GONE");
	// Nobody would tell it to come back: the drain has begun without it.
	if (gateway.stopping) throw shuttingDown();
	admission.confirm();
}

/** A reload or a drain that came in between concerns it, too: whoever was open was told already. */
function settle(gateway: Gateway, snapshot: Snapshot, connection: Session): void {
	if (gateway.snapshot !== snapshot) atOnce(retire([connection], gateway.snapshot, gateway.drains));
	gateway.drains.opened(connection);
}

interface Opening {
	readonly admission: Admission;
	readonly route: Route;
	readonly upstream: Upstream;
	readonly lease: Lease;
	readonly result: Accepted;
	readonly socket: Socket;
	readonly guard: ClientGuard;
	readonly attempts: readonly Attempt[];
}

/** Writes the 101, then joins both sockets. From here on the tunnel owns them. */
function open(gateway: Gateway, connection: Connection, opening: Opening): void {
	const { admission, route, upstream, lease, result, socket, guard } = opening;
	const extra = bindingCookies(route, upstream, lease.endpoint, admission.request);
	if (result.subprotocol === undefined && admission.fallbackSubprotocol !== undefined) {
		extra.push("Sec-WebSocket-Protocol", admission.fallbackSubprotocol);
	}
	const tunnel = new Tunnel(socket, result.socket, route.tunnel, gateway.wheel, connection);
	tunnel.expiresAt = gateway.clock() + admission.expiresAt - gateway.policies.now();
	const early = guard.release();
	const rawHeaders = answerHeaders(route, admission.request, lease, result.rawHeaders);
	const answer = clientAnswerHead(101, "Switching Protocols", rawHeaders, route.responseHeaders, extra);
	writeAll(socket, Buffer.from(answer, "latin1"));
	connection.opened(tunnel, lease, opening.attempts, result.connectMs);
	tunnel.start(early, result.early.length > 0 ? [result.early] : []);
}

/** The headers of a backend's answer after `rewrite.location`. */
function answerHeaders(route: Route, request: GatewayRequest, { endpoint }: Lease, raw: readonly string[]) {
	return route.rewrite.answer ? route.rewrite.answer(raw, request, endpoint.address.authority) : raw;
}

function shuttingDown(): GatewayError {
	return new GatewayError("SHUTTING_DOWN", undefined, { retryAfter: 1 });
}
