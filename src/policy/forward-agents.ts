/** Connections to servers of `auth.forward`, kept alive between questions and across reloads. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupFunction } from "node:net";
import { KEPT_MS } from "../sockets/kept.ts";

/** At once to one server; the others wait within their own timeout. */
const MAX_CONNECTIONS = 64;

export class AuthAgents {
	readonly lookup: LookupFunction | undefined;
	readonly http: HttpAgent;
	readonly https: HttpsAgent;

	/** @param lookup finds the addresses of host names; Node's own when absent */
	constructor(lookup?: LookupFunction) {
		this.lookup = lookup;
		const options = {
			keepAlive: true,
			maxSockets: MAX_CONNECTIONS,
			maxFreeSockets: 16,
			timeout: KEPT_MS,
			scheduling: "lifo",
		} as const;
		this.http = new HttpAgent(options);
		this.https = new HttpsAgent(options);
	}

	close(): void {
		this.http.destroy();
		this.https.destroy();
	}
}
