/** The story of one WebSocket connection, from the request to the open tunnel (DESIGN §4). */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { asGatewayError, GatewayError } from "../errors.ts";
import { checkHandshake } from "../protocol/handshake.ts";
import { clientAnswerHead } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { Tunnel } from "../tunnel/tunnel.ts";
import type { Accepted } from "../upstreams/dial.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import type { Upstream } from "../upstreams/upstream.ts";
import { ClientGuard } from "./client-guard.ts";
import { connect } from "./connect.ts";
import { Connection } from "./connections.ts";
import type { Attempt } from "./events.ts";
import type { Gateway } from "./gateway.ts";
import { readIncoming, readRequest } from "./incoming.ts";
import { refuse, relayRefusal } from "./respond.ts";
import type { Route } from "./snapshot.ts";

/** Takes an upgrade request to its tunnel, or to its answer. Never throws; leaves exactly one open or reject event. */
export async function accept(
	gateway: Gateway,
	listener: string,
	message: IncomingMessage,
	socket: Socket,
	head: Buffer,
): Promise<void> {
	const guard = new ClientGuard(socket, head);
	const { snapshot } = gateway;
	const incoming = readIncoming(message, socket, listener, snapshot);
	const connection = new Connection(gateway.connections, incoming.facts, gateway.clock());
	const attempts: Attempt[] = [];
	gateway.handshakes.add(socket);
	try {
		if (gateway.stopping) throw new GatewayError("SHUTTING_DOWN", undefined, { retryAfter: 1 });
		const { key, subprotocols } = checkHandshake(message);
		const request = readRequest(incoming, true, subprotocols);
		const route = snapshot.table.find(request);
		if (!route) throw new GatewayError("NO_ROUTE");
		const upstream = route.upstream();
		connection.route = route;
		incoming.facts.route = route.name;
		incoming.facts.upstream = upstream.name;
		const { endpoint, result } = await connect({
			request,
			key,
			route,
			upstream,
			connectionId: incoming.facts.connection_id,
			signal: guard.signal,
			clock: gateway.clock,
			attempts,
		});
		incoming.facts.endpoint = endpoint.id;
		if (result.kind === "refused") {
			guard.discard();
			relayRefusal(socket, result, route.responseHeaders);
			const message = `the backend answered ${result.status}`;
			connection.rejected(new GatewayError("BACKEND_REFUSED", message), attempts, result.status);
			return;
		}
		if (guard.gone) {
			result.socket.destroy();
			throw new GatewayError("CLIENT_GONE");
		}
		incoming.facts.subprotocol = result.subprotocol;
		open(gateway, connection, { request, route, upstream, endpoint, result, socket, guard, attempts });
	} catch (error) {
		const failure = guard.gone ? new GatewayError("CLIENT_GONE") : asGatewayError(error);
		if (failure.code === "INTERNAL") {
			gateway.events.notice("error", "internal.error", { message: failure.message, stack: stackOf(failure.cause) });
		}
		guard.discard();
		if (guard.gone) socket.destroy();
		else refuse(socket, failure);
		connection.rejected(failure, attempts);
	} finally {
		gateway.handshakes.delete(socket);
	}
}

interface Opening {
	readonly request: GatewayRequest;
	readonly route: Route;
	readonly upstream: Upstream;
	readonly endpoint: Endpoint;
	readonly result: Accepted;
	readonly socket: Socket;
	readonly guard: ClientGuard;
	readonly attempts: readonly Attempt[];
}

/** Writes the 101, then joins both sockets. From here on the tunnel owns them. */
function open(gateway: Gateway, connection: Connection, opening: Opening): void {
	const { request, route, upstream, endpoint, result, socket, guard } = opening;
	const cookie = upstream.stickyCookie(endpoint, request);
	const extra = cookie === undefined ? [] : ["Set-Cookie", cookie];
	const tunnel = new Tunnel(socket, result.socket, route.tunnel, gateway.wheel, connection);
	const early = guard.release();
	const answer = clientAnswerHead(101, "Switching Protocols", result.rawHeaders, route.responseHeaders, extra);
	socket.write(answer, "latin1");
	connection.opened(tunnel, endpoint, opening.attempts, result.connectMs);
	tunnel.start(early, result.early.length > 0 ? [result.early] : []);
}

function stackOf(cause: unknown): string | undefined {
	return cause instanceof Error ? cause.stack : undefined;
}
