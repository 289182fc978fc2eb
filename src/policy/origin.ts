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
/** `https://*.example.com`, `http://localhost:*`: any name below, any port. */
const PATTERN = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d{1,5}|\*))?$/;
/** Of pages that come from no host: `null` (RFC 6454 §7.1), `file://`, Electron's `app://.`. */
const WITHOUT_HOST = /^(?:null|[a-z][a-z0-9+.-]*:\/\/\.?)$/;
/** RFC 9110 §9.2.1: a page of another site can send these anyway, with an image or a link. */
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

const EXPECTED =
	'expected "same-origin", "*", "null" or an origin without a path, such as https://app.example.com, https://*.example.com, http://localhost:* or file://';

const originText = z.string().refine(isPattern, { error: EXPECTED });

export const originOptions = {
	allowed_origins: z
		.union([z.array(originText).min(1), originText.transform((text) => [text])])
		.prefault(["same-origin"])
		.meta({
			description:
				"Pages that may connect from a browser: `same-origin` (same host and port, whatever the scheme), exact origins, subdomains as `https://*.example.com`, any port as `http://localhost:*`, `null`, `file://`, `app://.`, or `*` for any. Others get 403.",
		}),
	origin_check: z
		.array(z.enum(["websocket", "http"]))
		.min(1)
		.prefault(["websocket"])
		.meta({
			description:
				"What `allowed_origins` is asked about: opening handshakes, which browsers send with cookies from any page; with `http` also plain requests with cookies whose method can change something (not GET, HEAD, OPTIONS and TRACE).",
		}),
	allow_missing_origin: z.boolean().prefault(true).meta({
		description: "Whether a client without an Origin header, which is not a browser, may connect.",
	}),
};

export interface OriginConfig {
	readonly allowed_origins: readonly string[];
	readonly allow_missing_origin: boolean;
	readonly origin_check: readonly ("websocket" | "http")[];
}

interface Wildcard {
	readonly scheme: string;
	/** The name, or with a leading dot what a name below has to end with. */
	readonly host: string;
	/** Undefined: any. */
	readonly port: number | undefined;
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
		const parts = PATTERN.exec(pattern);
		const [, scheme = "", below, name = "", port] = parts ?? [];
		if (parts && (below !== undefined || port === "*")) {
			const host = below === undefined ? name : `.${name}`;
			wildcards.push({ scheme, host, port: port === "*" ? undefined : portOf(scheme, port) });
		} else {
			const origin = parseOrigin(pattern);
			exact.add(origin ? serialise(origin) : pattern);
		}
	}

	const allows = (request: GatewayRequest, header: string): boolean => {
		if (any || exact.has(header)) return true;
		const { headers, websocket } = request;
		// A page whose Referrer-Policy is no-referrer posts its own forms with the origin null (Fetch §3.1); no page can
		// write Sec-Fetch-Site.
		if (!websocket && header === "null") return sameOrigin && headers["sec-fetch-site"] === "same-origin";
		const origin = parseOrigin(header);
		if (!origin) return false;
		if (exact.has(serialise(origin))) return true;
		if (wildcards.some((wildcard) => matches(wildcard, origin))) return true;
		return sameOrigin && isSameOrigin(origin, request);
	};

	/** The line that lets this origin in, for the operator who reads the log. */
	const lineFor = (origin: string): string => {
		const listed = config.allowed_origins.map((text) => (text === "same-origin" ? text : JSON.stringify(text)));
		return `allowed_origins: [${[...listed, JSON.stringify(origin)].join(", ")}]`;
	};

	const websockets = config.origin_check.includes("websocket");
	const http = config.origin_check.includes("http");
	return {
		name: "origin",
		check({ request }) {
			const { websocket, headers, method } = request;
			if (!(websocket ? websockets : http && headers.cookie !== undefined && !SAFE_METHODS.has(method)))
				return undefined;
			if (headers.origin === undefined) {
				if (config.allow_missing_origin) return undefined;
				throw new GatewayError("ORIGIN_DENIED", "there is no Origin header and allow_missing_origin is false", {
					hint: "send an Origin header; this route is for browsers",
				});
			}
			// Two Origin headers are joined to something that is not an origin.
			const header = [headers.origin].flat().join().toLowerCase();
			if (allows(request, header)) return undefined;
			const known = WITHOUT_HOST.test(header) || parseOrigin(header) !== undefined;
			throw new GatewayError(
				"ORIGIN_DENIED",
				known
					? `pages of ${header} may not connect; if this page is yours, write in the route: ${lineFor(header)}`
					: "the Origin header is not an origin",
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

function matches({ scheme, host, port }: Wildcard, origin: Origin): boolean {
	if (origin.scheme !== scheme || (port !== undefined && origin.port !== port)) return false;
	return host.startsWith(".") ? origin.host.length > host.length && origin.host.endsWith(host) : origin.host === host;
}

/**
 * Host and port are those of the request, whatever the scheme: libraries write http:// over TLS, and ws:// or wss://, which
 * no browser does. A Host without a port can stand for both default ones, since a proxy may have ended TLS. Host comes
 * from X-Forwarded-Host when a trusted proxy says so.
 */
function isSameOrigin(origin: Origin, request: GatewayRequest): boolean {
	if (DEFAULT_PORTS[origin.scheme] === undefined) return false;
	const told = toldByPeer(request, "x-forwarded-host");
	const authority = told === undefined ? request.authority : told.slice(told.lastIndexOf(",") + 1).trim();
	const own = splitHost(authority);
	if (!own) return false;
	const host = origin.host.startsWith("[") ? origin.host.slice(1, -1) : origin.host;
	if (own.host !== host.replace(/\.$/, "")) return false;
	return own.port === undefined ? origin.port === 80 || origin.port === 443 : own.port === origin.port;
}

function isPattern(text: string): boolean {
	const lower = text.toLowerCase();
	if (lower === "*" || lower === "same-origin" || WITHOUT_HOST.test(lower)) return true;
	return PATTERN.test(lower) || parseOrigin(lower) !== undefined;
}
