/** One client's socket in a hub: frames in and out, pings, times, and the end. What the frames mean is the protocol's. */
import type { Socket } from "node:net";
import { type PerMessageDeflate, Receiver } from "ws";
import { closePayload, controlFrame, OPCODE } from "../protocol/frames.ts";
import { TokenBucket } from "../tunnel/bucket.ts";
import type { GatewayClose } from "../tunnel/gateway-close.ts";
import { type ByteReceiver, Reader } from "../tunnel/reader.ts";
import { NO_CLOSE_FRAME, type Outcome, type Termination } from "../tunnel/report.ts";
import type { TimerWheel, WheelEntry } from "../tunnel/wheel.ts";
import { Writer } from "../tunnel/writer.ts";
import type { HubClient } from "./client.ts";
import type { Hub } from "./hub.ts";
import { Outbox, type OutboxSocket } from "./outbox.ts";
import type { Credentials, Host, HubProtocol, ProtocolConnection, Questions } from "./protocol.ts";

/** Who is told about a session's life. */
export interface SessionObserver {
	/** The client has said who it is. */
	sessionJoined(session: HubSession, client: HubClient): void;
	/** The socket is closed; called exactly once. */
	sessionEnded(session: HubSession, outcome: Outcome): void;
	/** A limit of the hub was met. */
	sessionLimited(session: HubSession, limit: "publications" | "message_size" | "buffered"): void;
	/** Something failed that should not have. */
	sessionFailed(session: HubSession, error: unknown): void;
}

/** What a session is told about its route. Times in ms, Infinity = never. */
export interface SessionOptions {
	/** Until the client has said who it is. */
	readonly handshake: number;
	readonly idle: number;
	readonly lifetime: number;
	/** For the answer to a Close. */
	readonly close: number;
	readonly overloadCode: number;
	readonly authExpiredCode: number;
}

export interface SessionParts {
	readonly id: string;
	readonly socket: Socket;
	readonly hub: Hub;
	readonly protocol: HubProtocol;
	readonly options: SessionOptions;
	readonly wheel: TimerWheel;
	readonly observer: SessionObserver;
	/** Undefined: the protocol's first message has to bring a token. */
	readonly credentials: Credentials | undefined;
	readonly anonymous: boolean;
	readonly verify: (token: string) => Promise<Credentials>;
	readonly questions?: Questions | undefined;
	/** What was agreed on with the client; undefined: nothing is compressed. */
	readonly extensions?: Readonly<Record<string, PerMessageDeflate>> | undefined;
}

const SESSION = Symbol("clawgate.hub-session");
type SessionSocket = Socket & { [SESSION]?: HubSession };

const GOING_AWAY = 1001;
/** How a client may send one message in pieces. */
const MOST_FRAGMENTS = 1_024;
const MOST_CHUNKS = 16 * 1_024;

/** The close codes of what `ws` finds wrong (RFC 6455 §7.4.1); anything else breaks the protocol. */
const CODES: Readonly<Record<string, number>> = {
	WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
	WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
	WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
	WS_ERR_INVALID_UTF8: 1007,
};
const PROTOCOL_ERROR = 1002;

export class HubSession implements Host, ByteReceiver, OutboxSocket, WheelEntry {
	readonly id: string;
	readonly hub: Hub;
	readonly outbox: Outbox;
	readonly compress: boolean;
	readonly credentials: Credentials | undefined;
	readonly anonymous: boolean;
	readonly questions: Questions | undefined;
	readonly socket: Socket;
	/** Set once the client has said who it is. */
	client: HubClient | undefined;
	bytesIn = 0;
	bytesOut = 0;
	messagesIn = 0;
	/** How many topics it followed when it ended. */
	topicsAtEnd = 0;

	wheelAt = Number.POSITIVE_INFINITY;
	wheelNext: WheelEntry | null = null;
	wheelPrevious: WheelEntry | null = null;

	readonly #protocol: HubProtocol;
	readonly #options: SessionOptions;
	readonly #wheel: TimerWheel;
	readonly #observer: SessionObserver;
	readonly #verify: SessionParts["verify"];
	readonly #extensions: SessionParts["extensions"];
	readonly #writer: Writer;
	readonly #openedAt: number;
	#reader: Reader | undefined;
	/** Made for the first bytes: most clients say nothing for a long time. */
	#frames: Receiver | undefined;
	#connection: ProtocolConnection | undefined;
	#publications: TokenBucket | undefined;
	#lastIn: number;
	/** When a ping was written that nothing has answered yet; 0 = none. */
	#pingedAt = 0;
	#nextPing: number;
	/** When the client's permission runs out, on the wheel's clock. */
	#expiresAt = Number.POSITIVE_INFINITY;
	#outcome: Outcome | undefined;
	#closingSince = 0;
	#paused = false;
	#gone = false;

	/** `socket` has had its 101, and is not read by anybody. */
	constructor(parts: SessionParts) {
		this.id = parts.id;
		this.hub = parts.hub;
		this.socket = parts.socket;
		this.credentials = parts.credentials;
		this.anonymous = parts.anonymous;
		this.questions = parts.questions;
		this.compress = parts.extensions !== undefined;
		this.#protocol = parts.protocol;
		this.#options = parts.options;
		this.#wheel = parts.wheel;
		this.#observer = parts.observer;
		this.#verify = parts.verify;
		this.#extensions = parts.extensions;
		this.#openedAt = parts.wheel.refresh();
		this.#lastIn = this.#openedAt;
		this.#nextPing = this.#openedAt + parts.hub.config.ping.interval;
		this.#writer = new Writer(parts.socket, this);
		this.outbox = new Outbox(this, parts.hub.flusher, parts.hub.config.limits.buffered);
		const socket = parts.socket as SessionSocket;
		socket[SESSION] = this;
		socket.allowHalfOpen = true;
		socket.on("end", onEnd).on("close", onClose).on("drain", onDrain);
	}

	/** Begins to serve. `early` came before the 101, in order. */
	start(early: readonly Buffer[]): void {
		this.#wheel.schedule(this, this.#deadline());
		this.#connection = this.#protocol.open(this);
		for (const chunk of early) this.receive(chunk, chunk.length, false);
		for (let chunk = this.socket.read(); chunk !== null; chunk = this.socket.read()) {
			this.receive(chunk, chunk.length, false);
		}
		if (this.socket.destroyed) this.gone();
		else {
			this.#reader = new Reader(this.socket, this);
			if (this.socket.readableEnded) this.ended();
		}
	}

	/** Whether it is on its way to its end. */
	get closing(): boolean {
		return this.#closingSince !== 0;
	}

	get messagesOut(): number {
		return this.outbox.pushed;
	}

	/** How long it has been open, ms. */
	get age(): number {
		return this.#wheel.now - this.#openedAt;
	}

	// What the protocol asks for.

	verify(token: string): Promise<Credentials> {
		return this.#verify(token);
	}

	joined(client: HubClient): void {
		this.client = client;
		this.#observer.sessionJoined(this, client);
	}

	expires(at: number, grace: number): void {
		const left = at === Number.POSITIVE_INFINITY ? at : Math.max(0, at + grace - Date.now());
		this.#expiresAt = this.#wheel.refresh() + left;
		this.#wheel.schedule(this, this.#deadline());
	}

	mayPublish(): boolean {
		const { perSecond, burst } = this.hub.config.limits.publications;
		const now = performance.now();
		this.#publications ??= new TokenBucket(perSecond, burst, now);
		this.#publications.fill(now);
		const may = this.#publications.take(1);
		if (!may) this.#observer.sessionLimited(this, "publications");
		return may;
	}

	pause(): void {
		this.#paused = true;
		this.socket.pause();
	}

	resume(): void {
		if (!this.#paused) return;
		this.#paused = false;
		if (!this.socket.destroyed) this.socket.resume();
	}

	end(code: number, reason: string): void {
		this.close({ code, reason, termination: code === PROTOCOL_ERROR ? "protocol_error" : "normal" });
	}

	failed(error: unknown): void {
		this.#observer.sessionFailed(this, error);
	}

	/** Ends it with a Close behind what waits; {@link NO_CLOSE_FRAME}: with FIN alone. False when it was ending already. */
	close({ code, reason, termination }: GatewayClose): boolean {
		if (this.closing) return false;
		this.#decide({ code, reason, termination, initiator: "gateway" });
		if (code === NO_CLOSE_FRAME) this.#writer.end(false);
		else this.#sayClose(code, reason);
		return true;
	}

	/** Ends it at once, without a Close. */
	destroy(termination: Termination): void {
		this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: "gateway", termination });
		this.socket.destroy();
	}

	// The socket, as the outbox sees it.

	get waiting(): number {
		return this.socket.writableLength;
	}

	get closed(): boolean {
		return this.closing || this.socket.destroyed;
	}

	write(bytes: Buffer): void {
		this.bytesOut += bytes.length;
		this.#writer.write(bytes, 0, bytes.length, false);
	}

	overflowed(): void {
		this.#observer.sessionLimited(this, "buffered");
		const reason = "the client does not read fast enough";
		this.close({ code: this.#options.overloadCode, reason, termination: "slow_consumer" });
	}

	/** What was waiting has been taken. */
	drained(): void {
		this.outbox.drained();
	}

	// What the socket tells.

	receive(buffer: Buffer, length: number, reused: boolean): boolean {
		this.bytesIn += length;
		this.#lastIn = this.#wheel.now;
		this.#pingedAt = 0;
		const bytes = buffer.subarray(0, length);
		this.#frames ??= this.#makeReceiver();
		this.#frames.write(reused ? Buffer.from(bytes) : bytes);
		return !this.#paused;
	}

	ended(): void {
		if (!this.closing) {
			this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: "client", termination: "client_drop" });
		}
		this.#writer.end(true);
	}

	gone(): void {
		if (this.#gone) return;
		this.#gone = true;
		if (!this.closing) {
			this.#decide({ code: NO_CLOSE_FRAME, reason: "", initiator: "client", termination: "client_drop" });
		}
		this.#wheel.cancel(this);
		this.#reader?.detach();
		this.#frames?.removeAllListeners();
		for (const each of Object.values(this.#extensions ?? {})) each.cleanup();
		this.topicsAtEnd = this.client?.subscriptions.size ?? 0;
		this.#connection?.close();
		this.#observer.sessionEnded(this, this.#outcome as Outcome);
	}

	// Time.

	/** Called by the wheel. */
	expire(now: number): number {
		const { lifetime, idle, handshake, close, authExpiredCode } = this.#options;
		const { ping } = this.hub.config;
		if (this.closing) {
			if (now >= this.#closingSince + close) this.#giveUp();
		} else if (now >= this.#openedAt + lifetime) {
			this.close({ code: GOING_AWAY, reason: "connection lifetime is over", termination: "lifetime" });
		} else if (now >= this.#expiresAt) {
			this.close({ code: authExpiredCode, reason: "token expired", termination: "auth_expired" });
		} else if (this.client === undefined && now >= this.#openedAt + handshake) {
			const { code, reason } = this.#protocol.stale;
			this.close({ code, reason, termination: "protocol_error" });
		} else if (now >= Math.max(this.#lastIn, this.outbox.pushedAt) + idle) {
			this.close({ code: GOING_AWAY, reason: "idle for too long", termination: "idle_timeout" });
		} else if (this.#pingedAt !== 0 && now >= this.#pingedAt + ping.timeout) {
			// What came while the process did not run has not been read yet.
			if (this.#wheel.stalled || this.#paused) this.#pingedAt = now;
			else this.#dead();
		} else if (now >= this.#nextPing) {
			this.#nextPing = now + ping.interval;
			if (this.client !== undefined) {
				if (this.#pingedAt === 0) this.#pingedAt = Math.max(now, 1);
				this.outbox.push(this.#protocol.ping);
			}
		}
		return this.#deadline();
	}

	#deadline(): number {
		if (this.#gone) return Number.POSITIVE_INFINITY;
		const { lifetime, idle, handshake, close } = this.#options;
		if (this.closing) return this.#closingSince + close;
		return Math.min(
			this.#openedAt + lifetime,
			this.#expiresAt,
			this.client === undefined ? this.#openedAt + handshake : Number.POSITIVE_INFINITY,
			Math.max(this.#lastIn, this.outbox.pushedAt) + idle,
			this.#pingedAt === 0 ? Number.POSITIVE_INFINITY : this.#pingedAt + this.hub.config.ping.timeout,
			this.#nextPing,
		);
	}

	#dead(): void {
		const { code, reason } = this.#protocol.noPong;
		this.close({ code, reason, termination: "ping_timeout" });
		this.socket.destroySoon();
	}

	// The end.

	#sayClose(code: number, reason: string): void {
		if (this.socket.destroyed || this.socket.writableEnded) return;
		this.#writer.append(controlFrame(OPCODE.close, closePayload(code, reason)));
	}

	/** The first cause wins; what waits is written before anything else is. */
	#decide(outcome: Outcome): void {
		if (this.closing) return;
		this.outbox.flush();
		this.#outcome = outcome;
		this.#closingSince = Math.max(this.#wheel.now, 1);
		this.#wheel.schedule(this, this.#deadline());
	}

	/** A client that takes nothing any more must not take half a message for a whole one. */
	#giveUp(): void {
		if (this.socket.writableLength === 0 || "encrypted" in this.socket) this.socket.destroy();
		else this.socket.resetAndDestroy();
	}

	#makeReceiver(): Receiver {
		const { message_size } = this.hub.config.limits;
		const frames = new Receiver({
			isServer: true,
			maxPayload: message_size,
			maxFragments: MOST_FRAGMENTS,
			maxBufferedChunks: MOST_CHUNKS,
			extensions: this.#extensions,
		});
		frames.on("message", (message: Buffer, isBinary: boolean) => {
			if (this.closing) return;
			this.messagesIn++;
			this.#connection?.receive(message, isBinary);
		});
		frames.on("ping", (payload: Buffer) => {
			if (!this.closing) this.outbox.push(controlFrame(OPCODE.pong, payload));
		});
		frames.on("conclude", (code: number, reason: Buffer) => this.#concluded(code, reason.toString("utf8")));
		frames.on("error", (error: NodeJS.ErrnoException) => {
			const code = CODES[error.code ?? ""] ?? PROTOCOL_ERROR;
			if (code === 1009) this.#observer.sessionLimited(this, "message_size");
			this.close({ code, reason: error.message, termination: code === 1009 ? "limit" : "protocol_error" });
		});
		return frames;
	}

	/** A Close of the client: its answer, or the first one. */
	#concluded(code: number, reason: string): void {
		const first = !this.closing;
		this.#decide({ code, reason, initiator: "client", termination: "normal" });
		// One without a code is answered without one: 1005 never travels.
		if (first && code === 1005) this.#writer.append(controlFrame(OPCODE.close, Buffer.alloc(0)));
		else if (first) this.#sayClose(code, "");
		this.#writer.end(false);
	}
}

// All sessions share these, so that a connection costs no closures.

function onEnd(this: SessionSocket): void {
	this[SESSION]?.ended();
}

function onClose(this: SessionSocket): void {
	this[SESSION]?.gone();
}

function onDrain(this: SessionSocket): void {
	this[SESSION]?.drained();
}
