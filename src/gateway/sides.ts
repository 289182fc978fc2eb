/**
 * Which upstream of a `split` a request goes to. A client stays where it is: its session of `sticky: socketio` or its sticky
 * cookie names the side, else `split_cookie`, else what the upstreams hash on. Without any of these each request is drawn anew.
 */
import type { GatewayRequest } from "../protocol/request.ts";
import { compileSplit } from "../routing/split.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import { hash32 } from "../upstreams/hash.ts";
import { bindByCookie } from "../upstreams/sticky/cookie.ts";
import type { StickyCookieConfig } from "../upstreams/sticky/cookie_options.ts";
import type { Upstream } from "../upstreams/upstream.ts";

export interface Sides {
	/** To be awaited before {@link of}, unless undefined: who is bound to which side is then known here. */
	recall(request: GatewayRequest): Promise<void> | undefined;
	/** The upstream for a request. */
	of(request: GatewayRequest): Upstream;
	/** The upstream that the client is bound to; undefined when it is not. */
	boundTo(request: GatewayRequest): Upstream | undefined;
	/** The Set-Cookie value that keeps the client at its side; undefined when none is needed. */
	cookie(side: Upstream, request: GatewayRequest): string | undefined;
}

/** One upstream of a split, and its share. */
export interface Side {
	readonly target: Upstream;
	readonly weight: number;
}

export interface SidesDeps {
	readonly random: () => number;
	/** Key of the cookie's values, where the config has none. */
	readonly secret: Buffer;
}

/** Of a route that leads to no upstream: nobody asks. */
export const NO_SIDES: Sides = {
	recall: () => undefined,
	of: () => {
		throw new Error("the route leads to no upstream");
	},
	boundTo: () => undefined,
	cookie: () => undefined,
};

/** The only upstream of a route without a split. */
export function onlySide(upstream: Upstream): Sides {
	return {
		recall: () => undefined,
		of: () => upstream,
		boundTo: () => upstream,
		cookie: () => undefined,
	};
}

/** Compiles the `split` of a route. A side of weight 0 takes nobody, also not those who were there. */
export function compileSides(
	route: string,
	split: readonly Side[],
	splitCookie: StickyCookieConfig | undefined,
	{ random, secret }: SidesDeps,
): Sides {
	const draw = compileSplit(split, random);
	const taken = split.filter(({ weight }) => weight > 0).map(({ target }) => target);
	const sticky = taken.filter((upstream) => upstream.sticky !== undefined);
	const cookie = splitCookie && bindByCookie(splitCookie, `split\0${route}`, taken, ({ name }) => name, secret);
	const keyOf = taken.find((upstream) => upstream.policy.keyOf !== undefined)?.policy.keyOf;

	const boundTo = (request: GatewayRequest): Upstream | undefined =>
		sticky.find((upstream) => upstream.sticky?.endpointOf(request) !== undefined) ?? cookie?.of(request);
	return {
		boundTo,
		recall: (request) => {
			if (sticky.length === 0 || boundTo(request) !== undefined) return undefined;
			const asked = sticky.map((upstream) => upstream.recall(request)).filter((answer) => answer !== undefined);
			return asked.length === 0 ? undefined : firstToKnow(asked, () => boundTo(request) !== undefined);
		},
		of: (request) => {
			const bound = boundTo(request);
			if (bound !== undefined) return bound;
			if (keyOf !== undefined) return draw(shareOf(keyOf(request)));
			// A session that nobody knows (any more) began somewhere: each of its requests has to get the same side.
			const nameless = sticky.some((upstream) => upstream.sticky?.policyFor?.(request) !== undefined);
			return nameless ? draw(shareOf(request.clientIp)) : draw();
		},
		cookie: (side, request) => cookie?.setCookie(side, request),
	};
}

/** A number in [0, 1) for a key. The endpoint is chosen by another hash of it, so that a side's clients reach all of its endpoints. */
function shareOf(key: string): number {
	return hash32(`split\0${key}`) / 0x1_0000_0000;
}

/** Resolves with the first answer that makes it known, or with the last one. */
function firstToKnow(asked: readonly Promise<void>[], known: () => boolean): Promise<void> {
	return new Promise((resolve, reject) => {
		for (const answer of asked) answer.then(() => known() && resolve(), reject);
		Promise.all(asked).then(() => resolve(), reject);
	});
}

/** The headers of an answer that keep the client at its side and its endpoint, as a raw list. */
export function bindingCookies(
	{ sides }: { readonly sides: Sides },
	upstream: Upstream,
	endpoint: Endpoint,
	request: GatewayRequest,
): string[] {
	const headers: string[] = [];
	const endpointCookie = upstream.stickyCookie(endpoint, request);
	if (endpointCookie !== undefined) headers.push("Set-Cookie", endpointCookie);
	const sideCookie = sides.cookie(upstream, request);
	if (sideCookie !== undefined) headers.push("Set-Cookie", sideCookie);
	return headers;
}
