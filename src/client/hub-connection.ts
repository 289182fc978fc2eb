/** A client of a `plain` hub: topics over a connection that comes back, without a gap where the topic keeps history. */
import { pauseBefore } from "./backoff.ts";
import { call, Emitter } from "./emitter.ts";
import { type Disconnected, ReconnectingSocket, type SocketOptions, type SocketState } from "./reconnecting-socket.ts";

/** What came, and where in the topic it stands. */
export interface Publication {
	readonly topic: string;
	/** What was published. */
	readonly data: unknown;
	/** Its place in the topic; undefined where the topic keeps no history. */
	readonly offset: number | undefined;
}

/** A topic is followed from here on. */
export interface Subscribed {
	readonly topic: string;
	/** After a lost connection: true = everything that was missed has come or comes now; false = something is missing. */
	readonly recovered: boolean | undefined;
}

/** What the hub refused. */
export interface Refused {
	readonly topic: string | undefined;
	/** `UNKNOWN_TOPIC`, `PERMISSION_DENIED` … */
	readonly code: string;
	readonly message: string;
}

export interface HubEvents {
	connecting: { readonly tries: number };
	/** The hub has said hello; with the connection's id. */
	connected: { readonly connection: string };
	message: Publication;
	subscribed: Subscribed;
	unsubscribed: { readonly topic: string; readonly code: number | undefined; readonly reason: string | undefined };
	disconnected: Disconnected;
	refused: Refused;
	error: unknown;
}

type Listener = (data: unknown, publication: Publication) => void;

/** A topic that is followed: because somebody here listens, or because the hub said so. */
interface Topic {
	readonly listeners: Set<Listener>;
	/** Where in the topic this client is; undefined while it is not known, or where the topic keeps no history. */
	epoch: string | undefined;
	offset: number | undefined;
	/** What comes now is not the next one: what was missed has been asked for, and comes first. */
	behind: boolean;
	/** How often the hub could not say yes for the moment. */
	tries: number;
}

export interface HubOptions extends SocketOptions {
	/**
	 * How often the hub is asked whether it is still there when it says nothing, ms; without an answer within that time the
	 * connection is opened anew. Default 25 000; 0 = never.
	 */
	readonly heartbeat?: number;
}

interface Waiting {
	readonly resolve: () => void;
	readonly reject: (error: Error) => void;
}

/** A message of the hub. */
interface Incoming {
	readonly type: string;
	readonly id?: number;
	readonly topic?: string;
	readonly data?: unknown;
	readonly offset?: number;
	readonly epoch?: string;
	readonly recovered?: boolean;
	readonly connection?: string;
	readonly code?: string | number;
	readonly message?: string;
	readonly reason?: string;
}

/** Subscriptions ended with such a code are asked for again, with their position. */
const RESUBSCRIBE_FROM = 2_500;
/** Refusals that can be different a little later. */
const TEMPORARY = new Set(["INTERNAL", "ENGINE_UNAVAILABLE", "TOO_MANY_REQUESTS"]);

export class HubConnection extends Emitter<HubEvents> {
	readonly #socket: ReconnectingSocket;
	readonly #options: HubOptions;
	readonly #topics = new Map<string, Topic>();
	readonly #waiting = new Map<number, Waiting>();
	readonly #retries = new Set<ReturnType<typeof setTimeout>>();
	#heartbeat: ReturnType<typeof setInterval> | undefined;
	#heard = true;
	#lastId = 0;
	#ready = false;

	/** @param url of a route with `hub: { name, protocol: plain }` */
	constructor(url: string, options: HubOptions = {}) {
		super();
		this.#options = options;
		this.#socket = new ReconnectingSocket(url, options);
		this.#socket.on("connecting", (event) => this.emit("connecting", event));
		this.#socket.on("error", (error) => this.emit("error", error));
		this.#socket.on("message", ({ data }) => this.#receive(String(data)));
		this.#socket.on("disconnected", (event) => this.#disconnected(event));
	}

	/** `connected` when the hub has said hello. */
	get state(): SocketState {
		return this.#ready ? "connected" : this.#socket.state === "disconnected" ? "disconnected" : "connecting";
	}

	/** Follows a topic, now and after each reconnection; returns what ends it. */
	subscribe(topic: string, listener: Listener): () => void {
		const isNew = !this.#topics.has(topic);
		const known = this.#topic(topic);
		known.listeners.add(listener);
		if (isNew && this.#ready) this.#ask(topic, known);
		return () => {
			known.listeners.delete(listener);
			if (known.listeners.size > 0 || this.#topics.get(topic) !== known) return;
			this.#topics.delete(topic);
			if (this.#ready) this.#send({ action: "unsubscribe", topic });
		};
	}

	/**
	 * Publishes; resolves when the hub has it. It is not sent again by itself: whether a publication whose connection was lost
	 * has arrived is not known.
	 * @throws Error what the hub refused, with its `code`, or that there is no connection, as a rejection
	 */
	publish(topic: string, data: unknown): Promise<void> {
		if (!this.#ready) return Promise.reject(new Error("not connected"));
		const id = ++this.#lastId;
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			this.#send({ action: "publish", topic, data, id });
		});
	}

	/** The topics that begin with `prefix`, such as `user.7.`: their names are given without it. */
	namespace(prefix: string): Namespace {
		return {
			subscribe: (topic, listener) => this.subscribe(prefix + topic, listener),
			publish: (topic, data) => this.publish(prefix + topic, data),
			namespace: (more) => this.namespace(prefix + more),
		};
	}

	/** Ends this connection and opens another one now, for instance with another token. */
	reconnect(): void {
		this.#socket.reconnect();
	}

	/** Ends it for good. */
	close(code?: number, reason?: string): void {
		this.#socket.close(code, reason);
	}

	#topic(topic: string): Topic {
		let known = this.#topics.get(topic);
		if (!known) {
			known = { listeners: new Set(), epoch: undefined, offset: undefined, behind: false, tries: 0 };
			this.#topics.set(topic, known);
		}
		return known;
	}

	#receive(text: string): void {
		this.#heard = true;
		let message: Incoming;
		try {
			message = JSON.parse(text) as Incoming;
		} catch (error) {
			this.emit("error", error);
			return;
		}
		switch (message.type) {
			case "connection_success":
				this.#welcomed(message);
				return;
			case "subscribed":
				this.#subscribed(message);
				return;
			case "unsubscribed":
				this.#unsubscribed(message);
				return;
			case "published":
				this.#settle(message.id)?.resolve();
				return;
			case "error":
				this.#refused(message);
				return;
			case "pong":
				return;
			default:
				this.#published(message);
		}
	}

	#welcomed({ connection = "" }: Incoming): void {
		this.#ready = true;
		this.#heard = true;
		const { heartbeat = 25_000 } = this.#options;
		if (heartbeat > 0) this.#heartbeat = setInterval(() => this.#beat(), heartbeat);
		for (const [topic, known] of [...this.#topics]) {
			// The hub says by itself which topics it follows for this client.
			if (known.listeners.size > 0) this.#ask(topic, known);
		}
		this.emit("connected", { connection });
	}

	#subscribed({ topic = "", epoch, offset, recovered }: Incoming): void {
		const known = this.#topic(topic);
		known.tries = 0;
		const moved = known.epoch !== undefined && (epoch !== known.epoch || offset !== known.offset);
		if (recovered === undefined && moved && !known.behind) {
			// The hub subscribed this client without knowing where it was.
			known.behind = true;
			this.#send({ action: "unsubscribe", topic });
			this.#ask(topic, known);
			return;
		}
		if (recovered === undefined && known.behind) return;
		known.behind = false;
		known.epoch = epoch;
		// What was missed comes behind this message, up to this place.
		if (recovered !== true) known.offset = offset;
		this.emit("subscribed", { topic, recovered });
	}

	#unsubscribed({ topic = "", code, reason }: Incoming): void {
		const known = this.#topics.get(topic);
		if (known?.behind) return;
		const number = typeof code === "number" ? code : undefined;
		if (known && number !== undefined && number >= RESUBSCRIBE_FROM) this.#ask(topic, known);
		else if (number !== undefined) this.#topics.delete(topic);
		this.emit("unsubscribed", { topic, code: number, reason });
	}

	#published({ topic = "", data, offset }: Incoming): void {
		const known = this.#topics.get(topic);
		if (known?.behind) return;
		if (known && offset !== undefined) known.offset = offset;
		const publication = { topic, data, offset };
		for (const listener of [...(known?.listeners ?? [])]) call(() => listener(data, publication));
		this.emit("message", publication);
	}

	#refused({ id, topic, code, message = "" }: Incoming): void {
		const waiting = this.#settle(id);
		if (waiting) {
			waiting.reject(Object.assign(new Error(message), { code }));
			return;
		}
		const known = topic === undefined ? undefined : this.#topics.get(topic);
		// The hub had subscribed this client by itself.
		if (known && code === "ALREADY_SUBSCRIBED") return;
		if (known) known.behind = false;
		if (known && topic !== undefined && TEMPORARY.has(String(code))) this.#askLater(topic, known);
		else this.emit("refused", { topic, code: String(code), message });
	}

	#settle(id: number | undefined): Waiting | undefined {
		const waiting = id === undefined ? undefined : this.#waiting.get(id);
		if (waiting) this.#waiting.delete(id as number);
		return waiting;
	}

	#disconnected(event: Disconnected): void {
		this.#ready = false;
		clearInterval(this.#heartbeat);
		for (const timer of this.#retries) clearTimeout(timer);
		this.#retries.clear();
		for (const known of this.#topics.values()) known.behind = false;
		const waiting = [...this.#waiting.values()];
		this.#waiting.clear();
		for (const { reject } of waiting) reject(new Error("the connection was lost"));
		this.emit("disconnected", event);
	}

	/** Nobody tells a browser that the network is gone. */
	#beat(): void {
		if (this.#heard) {
			this.#heard = false;
			this.#send({ action: "ping" });
		} else this.#socket.reconnect();
	}

	#ask(topic: string, { epoch, offset }: Topic): void {
		const since = epoch !== undefined && offset !== undefined ? { epoch, offset } : undefined;
		this.#send({ action: "subscribe", topic, since });
	}

	#askLater(topic: string, known: Topic): void {
		const timer = setTimeout(
			() => {
				this.#retries.delete(timer);
				if (this.#topics.get(topic) === known) this.#ask(topic, known);
			},
			pauseBefore(++known.tries, this.#options.backoff),
		);
		this.#retries.add(timer);
	}

	#send(action: object): void {
		this.#socket.send(JSON.stringify(action));
	}
}

/** Topics under a prefix. */
export interface Namespace {
	/** See {@link HubConnection.subscribe}. */
	subscribe(topic: string, listener: Listener): () => void;
	/** See {@link HubConnection.publish}. */
	publish(topic: string, data: unknown): Promise<void>;
	namespace(prefix: string): Namespace;
}
