/** Runs the checks of a route in order, and collects what they grant. */
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { Check, CheckContext, Granted, HeaderPolicy } from "./check.ts";
import { Leases } from "./leases.ts";
import type { TokenNames } from "./revocations.ts";

/** What is known about a request before its checks. */
export interface AdmissionFacts {
	readonly request: GatewayRequest;
	/** Name of the route. */
	readonly route: string;
	readonly connectionId: string;
	/** Aborts when the client leaves. */
	readonly signal: DepartureSignal;
}

/** The checks of a route, and what they have to say about headers. */
export interface AdmissionPolicy extends HeaderPolicy {
	readonly checks: readonly Check[];
}

/** All that the checks of one request granted. Whoever has it gives its leases back. */
export class Admission implements CheckContext {
	/** Without tokens and keys. */
	request: GatewayRequest;
	readonly route: string;
	readonly connectionId: string;
	readonly signal: DepartureSignal;
	readonly policy: HeaderPolicy;
	user: string | undefined;
	/** For the backend, as a raw list. */
	headers: string[] | undefined;
	/** The subprotocol that the client gets when the backend picks none. */
	fallbackSubprotocol: string | undefined;
	/** ms since the epoch; Infinity = never. */
	expiresAt = Number.POSITIVE_INFINITY;
	token: TokenNames | undefined;
	/** Undefined when there is nothing to give back. */
	leases: Leases | undefined;

	#confirms: (() => void)[] | undefined;

	constructor(facts: AdmissionFacts, policy: HeaderPolicy) {
		this.policy = policy;
		this.request = facts.request;
		// A check that knows better says so.
		this.user = facts.request.clientCertificate?.commonName;
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
		if (granted.confirm) {
			this.#confirms ??= [];
			this.#confirms.push(granted.confirm);
		}
		if (granted.release || granted.watch) {
			this.leases ??= new Leases();
			this.leases.add(granted);
		}
	}

	/**
	 * Asks once more, right before the 101: time has passed since the checks.
	 * @throws GatewayError
	 */
	confirm(): void {
		for (const confirm of this.#confirms ?? []) confirm();
	}
}

/**
 * Asks the checks one after the other; the first refusal ends it, with everything given back.
 * @throws GatewayError the refusal; CLIENT_GONE when the client left meanwhile
 */
export async function admit(policy: AdmissionPolicy, facts: AdmissionFacts): Promise<Admission> {
	const admission = new Admission(facts, policy);
	try {
		for (const check of policy.checks) {
			let granted = check.check(admission);
			const waited = granted instanceof Promise;
			if (waited) granted = await granted;
			if (granted !== undefined) admission.add(granted as Granted);
			if (waited && facts.signal.aborted) throw new GatewayError("CLIENT_GONE");
		}
		return admission;
	} catch (error) {
		admission.leases?.release();
		throw error;
	}
}
