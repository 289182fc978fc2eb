/** Node's HTTP or HTTPS server as a listener needs it. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { ListenerConfig } from "../config/schema.ts";
import { wantsWebSocket } from "../protocol/handshake.ts";
import { chooseCertificates } from "./sni.ts";
import type { Certificates } from "./tls.ts";

/** How long an idle plain HTTP connection is kept: longer than the polling pause of common clients. */
const HTTP_KEEP_ALIVE_MS = 65_000;
/** Pause between looks for requests whose head is late. */
const CHECK_INTERVAL_MS = 250;

/** What Node fixes when a server is made. */
export function fixedSettings({ timeouts, tls }: ListenerConfig): unknown {
	return tls && { handshake: timeouts.tls_handshake, clientAuth: tls.client_auth };
}

/** The server of a listener, not listening yet; `certificates` are asked for each name that a client wants. */
export function makeServer(config: ListenerConfig, certificates: () => Certificates | undefined): Server {
	const options = {
		connectionsCheckingInterval: CHECK_INTERVAL_MS,
		keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
		noDelay: true,
		// Node would answer by itself; the stories of a request do, and leave a line.
		requireHostHeader: false,
		// Where Node can be asked (24.9 and newer), another protocol's Upgrade is ignored as RFC 9110 §7.8 allows.
		shouldUpgradeCallback: (request: IncomingMessage) => wantsWebSocket(request.headers),
	};
	if (!config.tls) return waitingForHalfClosed(createServer(options));
	const tlsOptions = {
		...options,
		handshakeTimeout: config.timeouts.tls_handshake,
		ALPNProtocols: ["http/1.1"],
		requestCert: config.tls.client_auth !== "none",
		rejectUnauthorized: config.tls.client_auth === "require",
		SNICallback: chooseCertificates(certificates),
	};
	return waitingForHalfClosed(createTlsServer(tlsOptions));
}

/** A client may close its side after its request and wait for the answer (RFC 9112 §9.6). Read by Node; its types lack it. */
function waitingForHalfClosed<T extends Server>(server: T): T {
	return Object.assign(server, { httpAllowHalfOpen: true });
}
