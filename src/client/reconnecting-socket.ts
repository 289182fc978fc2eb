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
	 * connection, and again after the server said that it has run out (4401).
	 */
	readonly token?: string | (() => string | Promise<string>);
	/** Name of the query parameter of the token. Default `token`. */
	readonly tokenParameter?: string;
	readonly backoff?: BackoffOptions;
	/** How long a connection may take to open, ms. Default 10 000. */
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
	/** `client`: close() was called; `server`: a Close frame came; `network`: neither. */
	readonly by: "client" | "server" | "network";
	/** Whether the client comes back by itself. */
	readonly retries: boolean;
	/** In how many ms, when it does. */
	readonly retryIn: number | undefined;
}

export interface SocketEvents {
	/** It begins to connect; `tries` since the last time it was connected, from 1. */
	connecting: { readonly tries: number };
	connected: { readonly protocol: string };
	message: { readonly data: unknown };
	disconnected: Disconnected;
	/** A token could not be fetched, or a WebSocket not be made. It is tried again. */
	error: unknown;
}

const OPEN = 1;
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
	#timer: ReturnType<typeof setTimeout> | undefined;
	#connectedAt = 0;
	#closed = false;

	/** @param url ws:// or wss:// */
	constructor(url: string, options: SocketOptions = {}) {
		super();
		this.#url = url;
		this.#options = options;
		// Listeners are added after this call.
		queueMicrotask(() => void this.#connect());
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

	/** Ends it for good. */
	close(code = 1000, reason = ""): void {
		if (this.#closed) return;
		this.#closed = true;
		clearTimeout(this.#timer);
		const socket = this.#socket;
		this.#socket = undefined;
		if (socket) {
			silence(socket);
			socket.close(code, reason);
		}
		if (this.#state === "disconnected") return;
		this.#state = "disconnected";
		this.emit("disconnected", { code, reason, by: "client", retries: false, retryIn: undefined });
	}

	/** Ends this connection and opens another one now. */
	reconnect(): void {
		this.#lost(1006, "reconnect", false, 0);
	}

	async #connect(): Promise<void> {
		if (this.#closed) return;
		this.#tries++;
		this.#state = "connecting";
		this.emit("connecting", { tries: this.#tries });
		try {
			const url = await this.#address();
			if (this.#closed) return;
			this.#open(url);
		} catch (error) {
			if (this.#closed) return;
			this.emit("error", error);
			this.#lost(1006, "", false);
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
		const { protocols, connectTimeout = 10_000 } = this.#options;
		const Constructor = this.#options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
		if (!Constructor) throw new Error("there is no WebSocket here: give one as options.WebSocket");
		const socket = new Constructor(url, protocols);
		this.#socket = socket;
		socket.binaryType = "arraybuffer";
		this.#timer = setTimeout(() => this.#lost(1006, "no answer in time", false), connectTimeout);
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
			this.#lost(code, reason, wasClean);
	}

	#lost(code: number, reason: string, byServer: boolean, pause?: number): void {
		if (this.#closed) return;
		clearTimeout(this.#timer);
		if (this.#socket) {
			silence(this.#socket);
			// A connection that did not open in time still may.
			this.#socket.close();
			this.#socket = undefined;
		}
		if (this.#state === "connected" && Date.now() - this.#connectedAt >= STABLE_MS) this.#tries = 0;
		const retry = (this.#options.retry ?? retryAfter)(code, reason);
		const renewable = retry !== "fresh_token" || typeof this.#options.token === "function";
		const retries = retry !== "no" && renewable;
		let retryIn = pause ?? pauseBefore(Math.max(1, this.#tries), this.#options.backoff);
		if (retry === "later") retryIn += LATER_MS;
		if (retry === "fresh_token") {
			this.#token = undefined;
			// Once at once; a token that is refused again and again must not become a storm.
			if (this.#tries <= 1) retryIn = 0;
		}
		this.#state = "disconnected";
		this.emit("disconnected", {
			code,
			reason,
			by: byServer ? "server" : "network",
			retries,
			retryIn: retries ? retryIn : undefined,
		});
		if (retries && !this.#closed) this.#timer = setTimeout(() => void this.#connect(), retryIn);
	}
}

/** Nothing of this socket is heard any more. */
function silence(socket: WebSocketLike): void {
	socket.onopen = null;
	socket.onmessage = null;
	socket.onclose = null;
	socket.onerror = () => {};
}
