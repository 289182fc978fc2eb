/** A connection that ends in a hub: the gateway's part of it, from the 101 to its last log line. */
import type { Socket } from "node:net";
import { GatewayError } from "../errors.ts";
import type { HubClient } from "../hub/client.ts";
import { agreeOnDeflate } from "../hub/deflate.ts";
import { HubError, type HubErrorCode } from "../hub/errors.ts";
import type { RunningHub } from "../hub/hubs.ts";
import type { HubTarget } from "../hub/options.ts";
import type { Credentials, HubProtocol } from "../hub/protocol.ts";
import { centrifugeJson, centrifugeProtobuf, PROTOBUF_SUBPROTOCOL } from "../hub/protocols/centrifuge/index.ts";
import { plain } from "../hub/protocols/plain/index.ts";
import { HubSession, type SessionObserver, type SessionOptions } from "../hub/session.ts";
import { type Admission, admit } from "../policy/admission.ts";
import { Leases } from "../policy/leases.ts";
import { acceptKey } from "../protocol/accepted.ts";
import { clientAnswerHead } from "../protocol/headers.ts";
import { headerValue } from "../protocol/request.ts";
import { writeAll } from "../sockets/direct-write.ts";
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import type { Outcome, Termination } from "../tunnel/report.ts";
import type { ClientGuard } from "./client-guard.ts";
import type { ConnectionFacts } from "./events.ts";
import type { Gateway } from "./gateway.ts";
import { tellInternalError } from "./internal-error.ts";
import { type Place, round, Session } from "./session.ts";
import type { Route } from "./snapshot.ts";

/** Where a route's connections end. */
export interface HubRoute extends HubTarget {
	readonly session: SessionOptions;
}

/** A handshake that a hub's route has let in. */
export interface HubEntry {
	readonly facts: ConnectionFacts;
	/** Of the gateway's clock. */
	readonly startedAt: number;
	readonly route: Route;
	readonly admission: Admission;
	readonly key: string;
	readonly socket: Socket;
	readonly guard: ClientGuard;
}

/**
 * Writes the 101 and begins to serve.
 * @throws GatewayError INTERNAL when there is no such hub, which a checked configuration has
 */
export function openInHub(gateway: Gateway, target: HubRoute, entry: HubEntry): HubConnection {
	const { facts, startedAt, route, admission, key, socket, guard } = entry;
	const { request } = admission;
	const running = gateway.hubs.get(target.name);
	if (!running) throw new GatewayError("INTERNAL", `route ${route.name}: there is no hub ${target.name}`);
	const { protocol, subprotocol = admission.fallbackSubprotocol } = protocolOf(target, request.subprotocols);
	const { config } = running.hub;
	const deflate =
		config.compression && agreeOnDeflate(headerValue(request, "sec-websocket-extensions"), config.limits.message_size);
	facts.hub = target.name;
	facts.subprotocol = subprotocol;
	const connection = new HubConnection(gateway, facts, startedAt, running);
	connection.admitted(route, admission);
	const early = guard.release();
	const extra = ["Sec-WebSocket-Accept", acceptKey(key)];
	if (subprotocol !== undefined) extra.push("Sec-WebSocket-Protocol", subprotocol);
	if (deflate) extra.push("Sec-WebSocket-Extensions", deflate.header);
	const head = clientAnswerHead(101, "Switching Protocols", [], route.responseHeaders, extra);
	writeAll(socket, Buffer.from(head, "latin1"));
	connection.opened(
		new HubSession({
			id: facts.connection_id,
			socket,
			hub: running.hub,
			protocol,
			options: target.session,
			wheel: gateway.wheel,
			observer: connection,
			credentials: credentialsOf(route, admission),
			anonymous: config.anonymous && !(route.policy.token?.required ?? false),
			verify: (token) => connection.verify(token, admission),
			questions: running.questions,
			extensions: deflate?.extensions,
		}),
		early,
	);
	return connection;
}

/** What the route speaks, and the subprotocol to answer with; undefined: none was asked for. */
function protocolOf(target: HubTarget, offered: readonly string[]): { protocol: HubProtocol; subprotocol?: string } {
	if (target.protocol === "plain") return { protocol: plain };
	if (offered.includes(PROTOBUF_SUBPROTOCOL))
		return { protocol: centrifugeProtobuf, subprotocol: PROTOBUF_SUBPROTOCOL };
	return { protocol: centrifugeJson };
}

/** Undefined: the first message brings the token. */
function credentialsOf({ policy }: Route, admission: Admission): Credentials | undefined {
	const { user = "", expiresAt } = admission;
	const { claims } = admission.request;
	if (claims === undefined && user === "" && policy.token?.comesLater) return undefined;
	return { user, claims, expiresAt, connectionInfo: connectionInfo(claims) };
}

/** The claim `info`: what others see of the connection. */
function connectionInfo(claims: Credentials["claims"]): Buffer | undefined {
	return claims?.info === undefined ? undefined : Buffer.from(JSON.stringify(claims.info));
}

/** What a client is told about a token that was refused, by the gateway's own code. */
const REFUSALS: Readonly<Record<string, HubErrorCode>> = {
	JWT_EXPIRED: "TOKEN_EXPIRED",
	JWT_REVOKED: "TOKEN_REVOKED",
	LIMIT_CONNECTIONS_PER_USER: "LIMIT_EXCEEDED",
	LOGIN_LOCKED: "TOO_MANY_REQUESTS",
	JWKS_UNAVAILABLE: "NOT_AVAILABLE",
};

/** A connection to a hub, as a member of the gateway's population. */
export class HubConnection extends Session implements SessionObserver {
	readonly kind = "websocket";
	readonly #running: RunningHub;
	#session: HubSession | undefined;
	#openedAt = 0;
	#ended = false;
	/** Of the token that came last, when it was not the first one. */
	#renewed: Leases | undefined;

	constructor(gateway: Gateway, facts: ConnectionFacts, startedAt: number, running: RunningHub) {
		super(gateway.connections, facts, startedAt);
		this.#running = running;
	}

	get isOpen(): boolean {
		return this.#session !== undefined && !this.#ended;
	}

	get closing(): boolean {
		return this.#session?.closing ?? false;
	}

	get bytesIn(): number {
		return this.#session?.bytesIn ?? 0;
	}

	get bytesOut(): number {
		return this.#session?.bytesOut ?? 0;
	}

	get messagesIn(): number {
		return this.#session?.messagesIn ?? 0;
	}

	get messagesOut(): number {
		return this.#session?.messagesOut ?? 0;
	}

	/** Topics that it follows. */
	get topics(): number {
		return this.#session?.client?.subscriptions.size ?? 0;
	}

	override placeIn(route: Route): Place | undefined {
		const { hub } = route;
		const same = hub?.name === this.facts.hub && hub?.protocol === this.route?.hub?.protocol;
		return same ? { route, endpoint: undefined } : undefined;
	}

	close(how: GatewayClose): boolean {
		return this.#session?.close(how) ?? false;
	}

	destroy(termination: Termination): void {
		this.#session?.destroy(termination);
	}

	/** Ends it because of a mistake of ours. */
	failed(error: unknown): void {
		tellInternalError(this.events, error, { connection_id: this.facts.connection_id });
		this.destroy("internal_error");
	}

	/** The 101 was written. */
	opened(session: HubSession, early: readonly Buffer[]): void {
		this.#session = session;
		this.#openedAt = this.now();
		this.enter();
		const handshake_ms = round(this.#openedAt - this.startedAt);
		this.events.open(this.facts, { attempts: [], handshake_ms, connect_ms: 0 });
		this.leases?.watch({ close: (reason) => this.evict(reason) });
		session.start(early);
	}

	/**
	 * Checks a token that came over the connection, by the route's own checks.
	 * @throws HubError
	 */
	async verify(token: string, { request }: Admission): Promise<Credentials> {
		const { route } = this;
		const policy = route?.policy.token;
		if (!route || !policy) throw new HubError("NOT_AVAILABLE", "the route has no tokens");
		const first = this.#session?.client === undefined;
		let admission: Admission;
		try {
			admission = await admit(
				{ ...route.policy, checks: first ? [policy.check, ...policy.whenKnown] : [policy.check] },
				{
					request: { ...request, firstMessage: token },
					route: route.name,
					connectionId: this.facts.connection_id,
					signal: new AbortController().signal,
				},
			);
		} catch (error) {
			if (!(error instanceof GatewayError)) throw error;
			throw new HubError(REFUSALS[error.code] ?? "UNAUTHORIZED", error.hint, { cause: error });
		}
		this.#take(admission, first);
		const { user = "", expiresAt } = admission;
		const { claims } = admission.request;
		return { user, claims, expiresAt, connectionInfo: connectionInfo(claims) };
	}

	sessionJoined(_session: HubSession, { id, user }: HubClient): void {
		if (user !== "") this.facts.user = user;
		const { client_ip, route } = this.facts;
		this.#running.hub.tell("connected", user, () => ({ client: id, user: user || undefined, client_ip, route }));
	}

	sessionEnded(session: HubSession, { code, reason, initiator, termination }: Outcome): void {
		this.#ended = true;
		this.leases?.release();
		this.#renewed?.release();
		this.leave();
		const { client } = session;
		this.events.close(this.facts, {
			close_code: code,
			close_reason: reason,
			close_initiator: initiator,
			termination,
			duration_ms: round(this.now() - this.#openedAt),
			bytes_in: session.bytesIn,
			bytes_out: session.bytesOut,
			messages_in: session.messagesIn,
			messages_out: session.messagesOut,
			topics: session.topicsAtEnd,
			publications_in: client?.publicationsIn ?? 0,
			publications_out: client?.publicationsOut ?? 0,
		});
		if (!client) return;
		const by = initiator === "client" ? "client" : "gateway";
		this.#running.hub.missed.note(client, termination === "slow_consumer" ? "slow" : "disconnected", {
			code,
			reason: reason || termination,
			by,
		});
		this.#running.hub.tell("disconnected", client.user, () => ({
			client: client.id,
			user: client.user || undefined,
			code,
			reason,
			initiator,
			termination,
		}));
	}

	sessionLimited(_session: HubSession, limit: "publications" | "message_size" | "buffered"): void {
		this.events.limited(this.facts.route ?? "", limit);
	}

	sessionFailed(_session: HubSession, error: unknown): void {
		tellInternalError(this.events, error, { connection_id: this.facts.connection_id });
	}

	/** What a later admission granted is given back with the rest. */
	#take({ leases, token }: Admission, first: boolean): void {
		if (token) this.token = token;
		if (!first) {
			this.#renewed?.release();
			this.#renewed = undefined;
		}
		if (!leases) return;
		if (this.#ended) {
			leases.release();
			return;
		}
		leases.watch({ close: (reason) => this.evict(reason) });
		if (!first) {
			this.#renewed = leases;
			return;
		}
		if (!this.leases) this.leases = new Leases();
		this.leases.add({ release: () => leases.release() });
	}
}
