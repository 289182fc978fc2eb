export interface LiveServer {
	readonly port: number;
	close(): Promise<void>;
}

export interface LiveServerOptions {
	/** 0 = any free one. */
	port?: number;
	/** Default: loopback. */
	host?: string;
	/** Where the gateway's `hub_api` is. */
	hubApi?: string;
	/** The key of the tokens; the route's. */
	secret?: string;
	/** Between two ratings, ms. */
	every?: number;
}

export function startLiveServer(options?: LiveServerOptions): Promise<LiveServer>;
