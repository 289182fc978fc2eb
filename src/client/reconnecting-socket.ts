/** A WebSocket that comes back, for any route of a gateway. */
import { type BackoffOptions, LATER_MS, pauseBefore, type Retry, retryAfter } from "./backoff.ts";
import { Emitter } from "./emitter.ts";

/** As much of a WebSocket as is used: a browser's, Node's (22 and newer), or that of `ws`. */
export interface WebSocketLike {
	binaryType: string;
	readonly readyState: number;
	onopen: ((event: never) => void) | null;
	onclose: ((event: never) => void) | null;
	onerror: ((event: never) => void) | null;
	onmessage: ((event: never) => void) | null;
	send(data: string | ArrayBuffer | ArrayBufferView): void;
	close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

export interface SocketOptions {
	/** Subprotocols to offer. */
	readonly protocols?: string | string[];
	/**
	 * A token, or what fetches one. It goes into the query, since a browser cannot send headers. It is fetched for the first
	 * connection, again after the server said that it has run out (4401), and again after a connection that did not open: a
	 * browser does not tell a refused token (401) from a lost network.
	 */
	readonly token?: string | (() => string | Promise<string>);
	/** Name of the query parameter of the token. Default `token`. */
	readonly tokenParameter?: string;
	readonly backoff?: BackoffOptions;
	/** How long a connection may take to open, with the fetching of a token, ms. Default 10 000. */
	readonly connectTimeout?: number;
	/** Overrides what a close code says about coming back. */
	readonly retry?: (code: number, reason: string) => Retry;
	/** Default: the global one. */
	readonly WebSocket?: WebSocketConstructor;
}

export type SocketState = "connecting" | "connected" | "disconnected";

/** How a connection ended. */
export interface Disconnected {
	/** 1006 where no Close frame came. */
	readonly code: number;
	readonly reason: string;
	/** `client`: close() or reconnect() was called; `server`: a Close frame came; `network`: neither. */
	readonly by: "client" | "server" | "network";
	/** Whether the client comes back by itself. */
	readonly retries: boolean;
	/** In how many ms, when it does. */
	readonly retryIn: number | undefined;
}

export interface SocketEvents {
	/** It begins to connect; `tries` since it was last connected for 5 s, from 1. */
	connecting: { readonly tries: number };
	connected: { readonly protocol: string };
	message: { readonly data: unknown };
	disconnected: Disconnected;
	/** A token could not be fetched, or a WebSocket not be made. It is tried again. */
	error: unknown;
}

const OPEN = 1;
const NO_ANSWER = { code: 1006, reason: "no answer in time", by: "network" } as const;
/** Connected for so long, ms, the next pause is the first one again. */
const STABLE_MS = 5_000;

/** Connects at once, and again and again until {@link close} is called or the server does not want it back. */
export class ReconnectingSocket extends Emitter<SocketEvents> {
	readonly #url: string;
	readonly #options: SocketOptions;
	#state: SocketState = "disconnected";
	#socket: WebSocketLike | undefined;
	#token: string | undefined;
	#tries = 0;
	/** What began under another number is not wanted any more. */
	#attempt = 0;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#connectedAt = 0;
	#closed = false;

	/** @param url ws:// or wss:// */
	constructor(url: string, options: SocketOptions = {}) {
		super();
		this.#url = url;
		this.#options = options;
		// Listeners are added after this call.
		this.#timer = setTimeout(() => void this.#connect(), 0);
	}

	get state(): SocketState {
		return this.#state;
	}

	/** Sends a message; false when there is no connection to send it on. */
	send(data: string | ArrayBuffer | ArrayBufferView): boolean {
		if (this.#socket?.readyState !== OPEN) return false;
		this.#socket.send(data);
		return true;
	}

	/**
	 * Ends it for good.
	 * @throws what a WebSocket throws for a code that a client may not send (1000 and 3000 to 4999 are possible)
	 */
	close(code = 1000, reason = ""): void {
		if (this.#closed) return;
		this.#socket?.close(code, reason);
		this.#closed = true;
		this.#forget();
		if (this.#state === "disconnected") return;
		this.#state = "disconnected";
		this.emit("disconnected", { code, reason, by: "client", retries: false, retryIn: undefined });
	}

	/** Ends this connection and opens another one now. */
	reconnect(): void {
		this.#lost({ code: 1006, reason: "reconnect", by: "client" }, { retry: "yes", retryIn: 0 });
	}

	async #connect(): Promise<void> {
		if (this.#closed) return;
		const attempt = ++this.#attempt;
		const { connectTimeout = 10_000 } = this.#options;
		this.#tries++;
		this.#state = "connecting";
		this.#timer = setTimeout(() => this.#lost(NO_ANSWER), connectTimeout);
		this.emit("connecting", { tries: this.#tries });
		try {
			const url = await this.#address();
			if (attempt === this.#attempt) this.#open(url);
		} catch (error) {
			if (attempt !== this.#attempt) return;
			this.emit("error", error);
			this.#lost({ code: 1006, reason: "", by: "network" });
		}
	}

	/** @throws whatever the token's source throws */
	async #address(): Promise<string> {
		const { token, tokenParameter = "token" } = this.#options;
		if (token === undefined) return this.#url;
		this.#token ??= typeof token === "string" ? token : await token();
		const url = new URL(this.#url);
		url.searchParams.set(tokenParameter, this.#token);
		return url.href;
	}

	#open(url: string): void {
		const Constructor = this.#options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
		if (!Constructor) throw new Error("there is no WebSocket here: give one as options.WebSocket");
		const socket = new Constructor(url, this.#options.protocols);
		this.#socket = socket;
		socket.binaryType = "arraybuffer";
		socket.onopen = () => {
			clearTimeout(this.#timer);
			this.#state = "connected";
			this.#connectedAt = Date.now();
			this.emit("connected", { protocol: (socket as { protocol?: string }).protocol ?? "" });
		};
		socket.onmessage = (event: { data: unknown }) => this.emit("message", { data: event.data });
		// `close` follows and says all there is to say.
		socket.onerror = () => {};
		socket.onclose = ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) =>
			this.#lost({ code, reason, by: wasClean ? "server" : "network" });
	}

	#lost(how: Pick<Disconnected, "code" | "reason" | "by">, fixed?: { retry: Retry; retryIn: number }): void {
		if (this.#closed) return;
		// A connection that did not open in time still may.
		this.#socket?.close();
		this.#forget();
		const { token, retry: policy = retryAfter, backoff } = this.#options;
		const wasConnected = this.#state === "connected";
		if (wasConnected && Date.now() - this.#connectedAt >= STABLE_MS) this.#tries = 0;
		const retry = fixed?.retry ?? policy(how.code, how.reason);
		const retries = retry !== "no" && (retry !== "fresh_token" || typeof token === "function");
		let retryIn = fixed?.retryIn ?? pauseBefore(Math.max(1, this.#tries), backoff);
		if (retry === "later") retryIn += LATER_MS;
		// Once at once; a token that is refused again and again must not become a storm.
		if (retry === "fresh_token" && this.#tries <= 1) retryIn = 0;
		if (retry === "fresh_token" || !wasConnected) this.#token = undefined;
		this.#state = "disconnected";
		if (retries) this.#timer = setTimeout(() => void this.#connect(), retryIn);
		this.emit("disconnected", { ...how, retries, retryIn: retries ? retryIn : undefined });
	}

	/** Nothing of the attempt or the socket that there is matters any more. */
	#forget(): void {
		this.#attempt++;
		clearTimeout(this.#timer);
		if (this.#socket) silence(this.#socket);
		this.#socket = undefined;
	}
}

/** Nothing of this socket is heard any more. */
function silence(socket: WebSocketLike): void {
	socket.onopen = null;
	socket.onmessage = null;
	socket.onclose = null;
	socket.onerror = () => {};
}
