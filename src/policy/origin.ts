/**
 * `allowed_origins`: browsers send cookies with a WebSocket handshake from any page, so that the page's origin (RFC 6454)
 * is the only protection against cross-site WebSocket hijacking (RFC 6455 §10.2).
 */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { toldByPeer } from "../protocol/forwarded.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import { splitHost } from "../protocol/target.ts";
import type { Check } from "./check.ts";

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443, ws: 80, wss: 443 };

/** A serialised origin (RFC 6454 §6.2). Schemes of apps (`capacitor://localhost`, `chrome-extension://…`) are origins too. */
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::(\d{1,5}))?$/;
/** `https://*.example.com`, with or without a port. */
const WILDCARD = /^([a-z][a-z0-9+.-]*):\/\/\*\.([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d{1,5}))?$/;

const EXPECTED =
	'expected "same-origin", "*", "null" or an origin without a path, such as https://app.example.com or https://*.example.com';

const originText = z.string().refine(isPattern, { error: EXPECTED });

export const originOptions = {
	allowed_origins: z
		.union([z.array(originText).min(1), originText.transform((text) => [text])])
		.prefault(["same-origin"])
		.meta({
			description:
				"Pages that may connect from a browser: `same-origin`, exact origins, subdomains as `https://*.example.com`, `null`, or `*` for any. Others get 403.",
		}),
	allow_missing_origin: z.boolean().prefault(true).meta({
		description: "Whether a client without an Origin header, which is not a browser, may connect.",
	}),
};

export interface OriginConfig {
	readonly allowed_origins: readonly string[];
	readonly allow_missing_origin: boolean;
}

interface Wildcard {
	readonly scheme: string;
	/** With the leading dot. */
	readonly suffix: string;
	readonly port: number;
}

/** Undefined when any origin, and none, may connect. */
export function originCheck(config: OriginConfig): Check | undefined {
	const patterns = config.allowed_origins.map((text) => text.toLowerCase());
	const any = patterns.includes("*");
	if (any && config.allow_missing_origin) return undefined;
	const sameOrigin = patterns.includes("same-origin");
	const exact = new Set<string>();
	const wildcards: Wildcard[] = [];
	for (const pattern of patterns) {
		if (pattern === "*" || pattern === "same-origin") continue;
		const wildcard = WILDCARD.exec(pattern);
		if (wildcard) {
			const [, scheme, suffix, port] = wildcard as unknown as [string, string, string, string?];
			wildcards.push({ scheme, suffix: `.${suffix}`, port: portOf(scheme, port) });
		} else {
			const origin = parseOrigin(pattern);
			exact.add(origin ? serialise(origin) : pattern);
		}
	}

	const allows = (request: GatewayRequest, header: string): boolean => {
		if (any || exact.has(header)) return true;
		const origin = parseOrigin(header.toLowerCase());
		if (!origin) return false;
		if (exact.has(serialise(origin))) return true;
		if (wildcards.some((wildcard) => matches(wildcard, origin))) return true;
		return sameOrigin && isSameOrigin(origin, request);
	};

	return {
		name: "origin",
		check({ request }) {
			const header = request.headers.origin;
			if (header === undefined) {
				if (config.allow_missing_origin) return undefined;
				throw new GatewayError("ORIGIN_DENIED", "there is no Origin header and allow_missing_origin is false", {
					hint: "send an Origin header; this route is for browsers",
				});
			}
			// Two Origin headers are joined to something that is not an origin.
			if (allows(request, Array.isArray(header) ? header.join() : header)) return undefined;
			throw new GatewayError(
				"ORIGIN_DENIED",
				"the origin is not in allowed_origins; if this page is yours, add its origin to the route",
			);
		},
	};
}

interface Origin {
	readonly scheme: string;
	readonly host: string;
	/** 0 when neither the origin nor its scheme has one. */
	readonly port: number;
}

/** @param text in lower case */
function parseOrigin(text: string): Origin | undefined {
	const match = ORIGIN.exec(text);
	if (!match) return undefined;
	const scheme = match[1] as string;
	return { scheme, host: match[2] as string, port: portOf(scheme, match[3]) };
}

function serialise({ scheme, host, port }: Origin): string {
	return `${scheme}://${host}:${port}`;
}

function portOf(scheme: string, port: string | undefined): number {
	return port === undefined ? (DEFAULT_PORTS[scheme] ?? 0) : Number(port);
}

function matches({ scheme, suffix, port }: Wildcard, origin: Origin): boolean {
	return (
		origin.scheme === scheme &&
		origin.port === port &&
		origin.host.length > suffix.length &&
		origin.host.endsWith(suffix)
	);
}

/**
 * Host and port are those of the request; the scheme is the client's. An https page may also use a connection that
 * arrives unencrypted: then a proxy that is not in `trusted_proxies` has ended TLS, since no browser lets such a page
 * open ws://. The other way round, an http page (which anybody on the path can write) and an encrypted connection, is
 * refused. Host comes from X-Forwarded-Host when a trusted proxy says so.
 */
function isSameOrigin(origin: Origin, request: GatewayRequest): boolean {
	if (origin.scheme !== "https" && (origin.scheme !== "http" || request.secure)) return false;
	const told = toldByPeer(request, "x-forwarded-host");
	const authority = told === undefined ? request.authority : told.slice(told.lastIndexOf(",") + 1).trim();
	const own = splitHost(authority);
	if (!own) return false;
	const host = origin.host.startsWith("[") ? origin.host.slice(1, -1) : origin.host;
	return own.host === host.replace(/\.$/, "") && (own.port ?? portOf(origin.scheme, undefined)) === origin.port;
}

function isPattern(text: string): boolean {
	const lower = text.toLowerCase();
	if (lower === "*" || lower === "null" || lower === "same-origin") return true;
	return WILDCARD.test(lower) || parseOrigin(lower) !== undefined;
}
