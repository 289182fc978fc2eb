/** Runs the checks of a route in order, and holds what they granted until the connection ends. */
import { GatewayError } from "../errors.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Check, CheckContext, Granted, TokenNames, WatchedConnection } from "./check.ts";

/** What is known about a request before its checks. */
export interface AdmissionFacts {
	readonly request: GatewayRequest;
	readonly route: string;
	readonly connectionId: string;
	/** Aborts when the client leaves. */
	readonly signal: AbortSignal;
}

/** All that the checks of one request granted. It is released exactly once, however often that is asked. */
export class Admission implements CheckContext {
	/** Without tokens and keys. */
	request: GatewayRequest;
	readonly route: string;
	readonly connectionId: string;
	readonly signal: AbortSignal;
	user: string | undefined;
	/** For the backend, as a raw list. */
	headers: string[] | undefined;
	/** The subprotocol that the client gets when the backend picks none. */
	fallbackSubprotocol: string | undefined;
	/** ms since the epoch; Infinity = never. */
	expiresAt = Number.POSITIVE_INFINITY;
	token: TokenNames | undefined;

	#granted: Granted[] | undefined;
	#watches: (() => void)[] | undefined;
	#released = false;

	constructor(facts: AdmissionFacts) {
		this.request = facts.request;
		this.route = facts.route;
		this.connectionId = facts.connectionId;
		this.signal = facts.signal;
	}

	/** For {@link admit} only. */
	add(granted: Granted): void {
		if (granted.request) this.request = granted.request;
		if (granted.user !== undefined) this.user = granted.user;
		if (granted.headers) {
			this.headers ??= [];
			this.headers.push(...granted.headers);
		}
		if (granted.fallbackSubprotocol !== undefined) this.fallbackSubprotocol = granted.fallbackSubprotocol;
		if (granted.expiresAt !== undefined) this.expiresAt = Math.min(this.expiresAt, granted.expiresAt);
		if (granted.token) this.token = granted.token;
		if (granted.release || granted.confirm || granted.watch) {
			this.#granted ??= [];
			this.#granted.push(granted);
		}
	}

	/**
	 * Asks once more, right before the 101: time has passed since the checks.
	 * @throws GatewayError
	 */
	confirm(): void {
		for (const granted of this.#granted ?? []) granted.confirm?.();
	}

	/** The tunnel is open. */
	watch(connection: WatchedConnection): void {
		for (const granted of this.#granted ?? []) {
			if (!granted.watch) continue;
			this.#watches ??= [];
			this.#watches.push(granted.watch(connection));
		}
	}

	/** Ends all watching and gives everything back, the last first. */
	release(): void {
		if (this.#released) return;
		this.#released = true;
		for (const unwatch of this.#watches ?? []) unwatch();
		const granted = this.#granted ?? [];
		for (let i = granted.length - 1; i >= 0; i--) granted[i]?.release?.();
		this.#granted = undefined;
		this.#watches = undefined;
	}
}

/**
 * Asks the checks one after the other; the first refusal ends it, with everything given back.
 * @throws GatewayError the refusal; CLIENT_GONE when the client left meanwhile
 */
export async function admit(checks: readonly Check[], facts: AdmissionFacts): Promise<Admission> {
	const admission = new Admission(facts);
	try {
		for (const check of checks) {
			let granted = check.check(admission);
			if (granted instanceof Promise) {
				granted = await granted;
				if (granted !== undefined) admission.add(granted);
				if (facts.signal.aborted) throw new GatewayError("CLIENT_GONE");
			} else if (granted !== undefined) {
				admission.add(granted);
			}
		}
		return admission;
	} catch (error) {
		admission.release();
		throw error;
	}
}
