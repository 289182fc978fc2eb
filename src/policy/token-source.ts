/** Where tokens and keys are in a request, and how they are taken out of it before it is forwarded. */
import { z } from "zod";
import { cookieValue, type GatewayRequest, headerValue } from "../protocol/request.ts";
import { withoutCookie, withoutHeader, withoutQueryParameter, withoutSubprotocols } from "./strip.ts";

/** In a route that ends in a hub: the token comes in the hub protocol's own first message. */
export const FIRST_MESSAGE = "first_message";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const name = z.string().regex(TOKEN, { error: "a name is made of letters, digits and hyphens" });

const place = z
	.strictObject({
		header: name.optional().meta({ description: "Name of a header that holds it, after `Bearer` or alone." }),
		query: z.string().min(1).optional().meta({ description: "Name of a query parameter." }),
		cookie: name.optional().meta({ description: "Name of a cookie." }),
		subprotocol: name.optional().meta({
			description:
				"Start of an offered subprotocol; what follows is the value. For browsers, which cannot send headers.",
		}),
	})
	.refine((source) => Object.values(source).filter((value) => value !== undefined).length === 1, {
		error: "expected exactly one of header, query, cookie and subprotocol",
	});

/** Places for an API key. */
export const keySourceOptions = z.array(place).min(1);

/** Places for a token: also `header`, which is `Authorization: Bearer`, and `first_message`. */
export const tokenSourceOptions = z
	.array(
		z.union([z.literal("header"), z.literal(FIRST_MESSAGE), place], {
			error: "expected header, first_message, or { header, query, cookie or subprotocol: name }",
		}),
	)
	.min(1);

export type SourceConfig = z.output<typeof tokenSourceOptions>[number];

interface Source {
	/** Undefined when it is not there, or empty. */
	find(request: GatewayRequest): string | undefined;
	/** The request without it; the same object when it is not there. */
	strip(request: GatewayRequest): GatewayRequest;
}

export interface TokenSources {
	/** Headers that hold nothing else: no spelling of a client's is for the backend. */
	readonly headers: readonly string[];
	/** The first that is there, in the order of the configuration. */
	find(request: GatewayRequest): string | undefined;
	/** Whether a token may still come when the connection is open. */
	readonly later: boolean;
	/** Takes out what is at any of the places, so that nothing unchecked passes beside the checked one. */
	strip(request: GatewayRequest): GatewayRequest;
	/**
	 * The subprotocol to answer with when the backend picks none: a browser fails a connection for which it offered
	 * subprotocols and got none, and here the only ones it offered were not meant for the backend.
	 */
	fallbackSubprotocol(request: GatewayRequest, stripped: GatewayRequest): string | undefined;
}

export function compileSources(config: readonly SourceConfig[]): TokenSources {
	const sources = config.filter((source) => source !== FIRST_MESSAGE).map(compileSource);
	return {
		later: config.includes(FIRST_MESSAGE),
		headers: config.flatMap((source) =>
			typeof source === "object" && source.header !== undefined && !/^authorization$/i.test(source.header)
				? [source.header]
				: [],
		),
		find(request) {
			for (const source of sources) {
				const value = source.find(request);
				if (value !== undefined && value !== "") return value;
			}
			return undefined;
		},
		strip(request) {
			let stripped = request;
			for (const source of sources) stripped = source.strip(stripped);
			return stripped;
		},
		fallbackSubprotocol: (request, stripped) =>
			stripped.subprotocols.length === 0 ? request.subprotocols[0] : undefined,
	};
}

function compileSource(config: Exclude<SourceConfig, typeof FIRST_MESSAGE>): Source {
	if (config === "header") return authorization("bearer");
	const { header, query, cookie, subprotocol } = config;
	if (header !== undefined) return fromHeader(header.toLowerCase());
	if (query !== undefined) return fromQuery(query);
	if (cookie !== undefined) {
		return {
			find: (request) => cookieValue(request, cookie),
			strip: (request) => withoutCookie(request, cookie),
		};
	}
	return fromSubprotocol(subprotocol as string);
}

/**
 * `Authorization: <scheme> <value>`; the scheme's case does not matter (RFC 9110 §11.1). Between the two there is one
 * blank, but servers behind us may take a tab for it, or whatever their language calls white space.
 */
export function authorization(scheme: string): Source {
	const start = new RegExp(`^${scheme}(?:[^\\x21-\\x7e]+|$)`, "i");
	return {
		find(request) {
			const value = headerValue(request, "authorization");
			const match = value === undefined ? null : start.exec(value);
			return match === null ? undefined : (value as string).slice(match[0].length).trim() || undefined;
		},
		strip: (request) => withoutHeader(request, "authorization", (value) => start.test(value)),
	};
}

function fromHeader(lower: string): Source {
	if (lower === "authorization") return authorization("bearer");
	return {
		find: (request) => headerValue(request, lower)?.replace(/^bearer +/i, ""),
		strip: (request) => withoutHeader(request, lower),
	};
}

function fromQuery(parameter: string): Source {
	return {
		find({ query }) {
			// The parser costs more than a look at the bytes; an encoded name is rare but possible.
			if (query === undefined || !(query.includes(parameter) || query.includes("%") || query.includes("+"))) {
				return undefined;
			}
			return new URLSearchParams(query).get(parameter) ?? undefined;
		},
		strip: (request) => withoutQueryParameter(request, parameter),
	};
}

function fromSubprotocol(prefix: string): Source {
	return {
		find: ({ subprotocols }) => subprotocols.find((token) => token.startsWith(prefix))?.slice(prefix.length),
		strip: (request) => withoutSubprotocols(request, (token) => token.startsWith(prefix)),
	};
}
