/** `sticky: { cookie }`: a cookie that names the client's endpoint. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { cookieValue, type GatewayRequest } from "../../protocol/request.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Sticky } from "./affinity.ts";
import type { StickyCookieConfig } from "./cookie_options.ts";

/** 16 bytes as base64url. */
const VALUE_LENGTH = 22;

/**
 * The cookie's value for an endpoint: HMAC-SHA256 over the upstream's name and the endpoint's id, cut to 16 bytes.
 * It tells a client nothing about addresses, fits no other upstream, and does not change with a reload or a restart.
 */
export function stickyCookieValue(secret: string | Buffer, upstream: string, endpointId: string): string {
	return createHmac("sha256", secret)
		.update(`${upstream}\0${endpointId}`)
		.digest()
		.subarray(0, 16)
		.toString("base64url");
}

interface Entry {
	readonly endpoint: Endpoint;
	readonly value: Buffer;
	/** The Set-Cookie value for a client on a plain connection, and on an encrypted one. */
	readonly header: string;
	readonly secureHeader: string;
}

/**
 * Reads and writes the cookie. Everything is computed here, once for each endpoint.
 *
 * @param secret key of the values unless the config has its own; gateways that share clients need the same one
 */
export function createCookieSticky(
	config: StickyCookieConfig,
	upstream: string,
	endpoints: readonly Endpoint[],
	secret: Buffer,
): Sticky {
	// Browsers refuse such a cookie without it. Behind a proxy that nobody has named the connection only looks plain.
	const alwaysSecure = config.secure === true || config.same_site === "none" || config.partitioned;
	const entries = new Map<Endpoint, Entry>();
	for (const endpoint of endpoints) {
		const value = stickyCookieValue(config.secret ?? secret, upstream, endpoint.id);
		entries.set(endpoint, {
			endpoint,
			value: Buffer.from(value, "latin1"),
			header: setCookie(config, value, alwaysSecure),
			secureHeader: setCookie(config, value, config.secure !== false),
		});
	}
	const all = [...entries.values()];

	const clientValue = (request: GatewayRequest): Buffer | undefined => {
		const text = cookieValue(request, config.name);
		return text?.length === VALUE_LENGTH ? Buffer.from(text, "latin1") : undefined;
	};

	return {
		endpointOf: (request) => {
			const value = clientValue(request);
			if (value === undefined) return undefined;
			let found: Endpoint | undefined;
			// All of them, without an early end: the time taken tells nothing about a guessed value.
			for (const entry of all) if (timingSafeEqual(entry.value, value)) found = entry.endpoint;
			return found;
		},
		setCookie: (endpoint, request) => {
			const entry = entries.get(endpoint);
			if (entry === undefined) return undefined;
			const value = clientValue(request);
			if (value !== undefined && timingSafeEqual(entry.value, value)) return undefined;
			return request.secure ? entry.secureHeader : entry.header;
		},
	};
}

/** RFC 6265 §4.1.1. */
function setCookie(config: StickyCookieConfig, value: string, secure: boolean): string {
	let header = `${config.name}=${value}; Path=${config.path}`;
	if (config.domain !== undefined) header += `; Domain=${config.domain}`;
	if (config.ttl !== undefined && Number.isFinite(config.ttl)) header += `; Max-Age=${Math.floor(config.ttl / 1000)}`;
	if (secure) header += "; Secure";
	if (config.http_only) header += "; HttpOnly";
	header += `; SameSite=${SAME_SITE[config.same_site]}`;
	return config.partitioned ? `${header}; Partitioned` : header;
}

const SAME_SITE = { lax: "Lax", strict: "Strict", none: "None" } as const;
