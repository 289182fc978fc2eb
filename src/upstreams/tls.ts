/** TLS towards the endpoints of an upstream: the `tls` option, compiled once and shared by all its connections. */
import { constants } from "node:crypto";
import { isIP } from "node:net";
import { type ConnectionOptions, createSecureContext, type SecureContextOptions } from "node:tls";
import { z } from "zod";
import type { EndpointAddress } from "./endpoint.ts";
import { endpointId } from "./endpoint.ts";

const file = z.string().min(1);

/** Option schema of `upstreams.*.tls`; the three files are PEM. */
export const upstreamTlsOptions = z.strictObject({
	ca: file.optional().meta({ description: "PEM file: trust these authorities instead of the system's." }),
	cert: file.optional().meta({ description: "PEM file: client certificate of the gateway; together with `key`." }),
	key: file.optional().meta({ description: "PEM file: its private key, not encrypted." }),
	server_name: z
		.string()
		.min(1)
		.optional()
		.meta({ description: "Name asked for (SNI) and checked, instead of the endpoint's host." }),
	verify: z
		.boolean()
		.default(true)
		.meta({ description: "`false` accepts any certificate: the connection can then be read by a third party." }),
});

export type UpstreamTlsConfig = z.output<typeof upstreamTlsOptions>;

/** What a connection to an endpoint needs for TLS. */
export type TlsConnectOptions = ConnectionOptions & {
	/** Each endpoint's last session, for resumption. */
	readonly sessions?: Map<string, Buffer> | undefined;
	/** The name behind endpoints that are addresses, where discovery found them by one. */
	readonly discoveredName?: string | undefined;
};

/** More than an upstream has endpoints; discovery may bring new addresses for ever. */
const MAX_SESSIONS = 1024;

/**
 * Compiles the option; `read` gives a file's content.
 * @throws Error naming the key whose file cannot be read or used
 */
export function compileUpstreamTls(config: UpstreamTlsConfig, read: (path: string) => Buffer): TlsConnectOptions {
	// A backend's wish to renegotiate (TLS 1.2) is refused: each would cost the gateway a handshake, without a limit.
	const context: SecureContextOptions = { secureOptions: constants.SSL_OP_NO_RENEGOTIATION };
	for (const key of ["ca", "cert", "key"] as const) {
		const path = config[key];
		if (path === undefined) continue;
		try {
			context[key] = read(path);
			// A key is checked together with its certificate.
			if (key !== "key") createSecureContext({ [key]: context[key] });
			else createSecureContext(context);
		} catch (cause) {
			throw new Error(`tls.${key}: ${path} cannot be used: ${(cause as Error).message}`, { cause });
		}
	}
	return {
		secureContext: createSecureContext(context),
		rejectUnauthorized: config.verify,
		ALPNProtocols: ["http/1.1"],
		sessions: new Map(),
		...(config.server_name === undefined ? {} : { servername: config.server_name }),
	};
}

/**
 * The options for one endpoint. SNI and the certificate's name are `server_name` or the endpoint's host; for an address
 * the name that discovery found it by, and without one no SNI (RFC 6066 §3).
 */
export function tlsOptionsFor(address: EndpointAddress, tls: TlsConnectOptions | undefined): ConnectionOptions {
	const { sessions, discoveredName, ...options } = tls ?? { ALPNProtocols: ["http/1.1"] };
	const session = sessions?.get(endpointId(address));
	const servername = options.servername ?? (isIP(address.host) === 0 ? address.host : discoveredName);
	return {
		...options,
		host: address.host,
		...(servername === undefined ? {} : { servername }),
		...(session === undefined ? {} : { session }),
	};
}

/** Keeps a session for the next connection to the same endpoint. */
export function rememberSession(address: EndpointAddress, tls: TlsConnectOptions, session: Buffer): void {
	if (tls.sessions === undefined) return;
	if (tls.sessions.size >= MAX_SESSIONS) tls.sessions.clear();
	tls.sessions.set(endpointId(address), session);
}
