/** `sticky: { cookie }`: a cookie that names the client's endpoint. `split_cookie` names its upstream in the same way. */
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

/** What a cookie binds a client to. */
export interface CookieBinding<T> {
	of(request: GatewayRequest): T | undefined;
	/** The Set-Cookie value that binds the client to `item`; undefined when it already is. */
	setCookie(item: T, request: GatewayRequest): string | undefined;
}

interface Entry<T> {
	readonly item: T;
	readonly value: Buffer;
	/** The Set-Cookie value for a client on a plain connection, and on an encrypted one. */
	readonly header: string;
	readonly secureHeader: string;
}

/**
 * Reads and writes a cookie that names one of `items`. Everything is computed here, once for each item.
 *
 * @param scope what the items belong to: the same item of another scope has another value
 * @param secret key of the values unless the config has its own; gateways that share clients need the same one
 */
export function bindByCookie<T>(
	config: StickyCookieConfig,
	scope: string,
	items: readonly T[],
	idOf: (item: T) => string,
	secret: Buffer,
): CookieBinding<T> {
	// Browsers refuse such a cookie without it. Behind a proxy that nobody has named the connection only looks plain.
	const alwaysSecure = config.secure === true || config.same_site === "none" || config.partitioned;
	const entries = new Map<T, Entry<T>>();
	for (const item of items) {
		const value = stickyCookieValue(config.secret ?? secret, scope, idOf(item));
		entries.set(item, {
			item,
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
		of: (request) => {
			const value = clientValue(request);
			if (value === undefined) return undefined;
			let found: T | undefined;
			// All of them, without an early end: the time taken tells nothing about a guessed value.
			for (const entry of all) if (timingSafeEqual(entry.value, value)) found = entry.item;
			return found;
		},
		setCookie: (item, request) => {
			const entry = entries.get(item);
			if (entry === undefined) return undefined;
			const value = clientValue(request);
			if (value !== undefined && timingSafeEqual(entry.value, value)) return undefined;
			return request.secure ? entry.secureHeader : entry.header;
		},
	};
}

/** `sticky: { cookie }` of an upstream. */
export function createCookieSticky(
	config: StickyCookieConfig,
	upstream: string,
	endpoints: readonly Endpoint[],
	secret: Buffer,
): Sticky {
	const { of, setCookie } = bindByCookie(config, upstream, endpoints, ({ id }) => id, secret);
	return { endpointOf: of, setCookie };
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
