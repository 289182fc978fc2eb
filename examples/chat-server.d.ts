export interface ChatServer {
	/** The port it got. */
	readonly port: number;
	/** Says goodbye (1001) to everybody and stops. */
	close(): Promise<void>;
}

export interface ChatServerOptions {
	/** Default 0: any free port. */
	port?: number;
	/** What the page calls it; default "one". */
	name?: string;
	/** Default 127.0.0.1. */
	host?: string;
	/** URLs of the servers that are told what is said here, such as `http://127.0.0.1:7002`. */
	neighbours?: readonly string[];
}

/** Starts a chat server: a page at `/`, a WebSocket chat at `/ws`, `/health` for probes. */
export function startChatServer(options?: ChatServerOptions): Promise<ChatServer>;
