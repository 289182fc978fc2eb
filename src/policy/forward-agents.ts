/** Connections to servers of `auth.forward`, kept alive between questions and across reloads. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

/** At once to one server; the others wait within their own timeout. */
const MAX_CONNECTIONS = 64;

export class AuthAgents {
	readonly #options = { keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: 16, scheduling: "lifo" } as const;
	readonly http = new HttpAgent(this.#options);
	readonly https = new HttpsAgent(this.#options);

	close(): void {
		this.http.destroy();
		this.https.destroy();
	}
}
