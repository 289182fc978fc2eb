/** An entry of `listeners`. */
import { z } from "zod";
import { cidr, oneOrMany, size } from "../options.ts";
import { listenAddress } from "./address.ts";
import { filePath, finiteTimer, nameText } from "./values.ts";

const HOST = /^[A-Za-z0-9*:]([A-Za-z0-9.:-]*[A-Za-z0-9:])?$/;

const SOCKET_MODE = 'expected the mode of a file in quotes, such as "0660"';

export const certificate = z.strictObject({
	cert: filePath.meta({ description: "PEM file: the certificate, then the intermediate ones." }),
	key: filePath.meta({ description: "PEM file: the private key, not encrypted." }),
});

export const minTlsVersion = z
	.enum(["1.2", "1.3"], { error: 'expected "1.2" or "1.3", in quotes' })
	.prefault("1.2")
	.meta({ description: "The oldest TLS version that is accepted." });

const tlsOptions = z.strictObject({
	certificates: z.array(certificate).min(1, { error: "expected at least one certificate" }).optional().meta({
		description:
			"Chosen by the name the client asks for (SNI); the first is the fallback. An RSA and an ECDSA certificate for the same name are served together.",
	}),
	self_signed: oneOrMany(z.string().regex(HOST, { error: "expected a host name or an address" }))
		.optional()
		.meta({ description: "Host names for a certificate made at start, to try things out; instead of `certificates`." }),
	min_version: minTlsVersion,
	client_ca: filePath.optional().meta({
		description:
			"PEM file: authorities whose certificates clients can show; no others are trusted. Together with `client_auth`.",
	}),
	client_auth: z.enum(["none", "request", "require"]).prefault("none").meta({
		description:
			"`require`: without a certificate of `client_ca` there is no connection. `request`: a client may show none, but a bad one is refused too. The backend reads whose it is in `X-Client-Verified: SUCCESS`, `X-Client-Cert-Subject` (RFC 4514, UTF-8) and `X-Client-Cert-Fingerprint` (SHA-256 in lower-case hex); no client can send these headers, whatever the listener. The common name is the user, unless `auth` of the route finds another.",
	}),
});

const proxyProtocolOptions = z.strictObject({
	trusted: oneOrMany(cidr).meta({
		description:
			"Peers whose connections begin with a header; one that sends none is closed. Everybody else's connection is taken as it is. On a unix socket every peer counts as one of these.",
	}),
});

const timeoutOptions = z.strictObject({
	request_headers: finiteTimer.prefault("10s").meta({
		description:
			"Time for a request's head to arrive in full, and for a PROXY protocol header before it; after that 408.",
	}),
	tls_handshake: finiteTimer.prefault("10s").meta({ description: "Time for the TLS handshake." }),
});

export const listenerOptions = z.strictObject({
	name: nameText.optional().meta({
		description: "Name in logs and metrics. Without one it is `listener-1`, `listener-2` … by position.",
	}),
	address: listenAddress.meta({
		description:
			'`"host:port"`, `":port"` (every interface, IPv4 and IPv6), `"[::1]:443"` or `"unix:/path"`. Port 0 lets the system choose.',
	}),
	socket_mode: z
		.string({ error: SOCKET_MODE })
		.regex(/^0?[0-7]{3}$/, { error: SOCKET_MODE })
		.transform((mode) => Number.parseInt(mode, 8))
		.optional()
		.meta({
			description:
				'Mode of the file of a `unix:` address, in quotes: it decides who may connect. Without it `"0660"`: the user and the group of the gateway.',
		}),
	client_crl: oneOrMany(filePath).optional().meta({
		description:
			"PEM files: lists of revoked certificates (CRL), together with `tls.client_ca`. Every authority of a client's certificate needs its list here, and a list that has expired refuses everybody. Read again when the files change, for connections to come.",
	}),
	tls: tlsOptions.optional().meta({
		description: "Makes it a wss:// and https:// listener. Exactly one of `certificates` and `self_signed`.",
	}),
	proxy_protocol: proxyProtocolOptions.optional().meta({
		description:
			"Who a load balancer's client is, told by PROXY protocol headers (version 1 and 2) before TLS and HTTP. That address is then the peer: for `trusted_proxies`, limits and `client_ip` in the log; `peer_ip` stays the load balancer's.",
	}),
	timeouts: timeoutOptions.prefault({}).meta({ description: "How long a client may take before it has a route." }),
	max_header_size: size
		.refine((bytes) => bytes >= 1024 && bytes <= 1024 ** 2, { error: "has to be from 1KiB to 1MiB" })
		.prefault("16KiB")
		.meta({ description: "Largest request head; above it 431." }),
	max_connections: z
		.int()
		.min(1)
		.prefault(100_000)
		.meta({ description: "Connections open at once on this listener; more are not accepted." }),
});
