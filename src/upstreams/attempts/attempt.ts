/** One handshake with one endpoint: counted, judged, and finished without its client when it is a breaker's trial. */
import type { DepartureSignal } from "../../departure.ts";
import { asGatewayError, GatewayError } from "../../errors.ts";
import type { DialResult } from "../dial.ts";
import type { Endpoint } from "../endpoint.ts";
import { Lease } from "./lease.ts";
import type { Permit } from "./permit.ts";
import type { Protection } from "./protection.ts";
import { closeUnused } from "./unused.ts";
import { errorVerdict, handshakeVerdict } from "./verdict.ts";

export interface Attempted {
	readonly result: DialResult;
	/** Still held when the handshake was accepted: the caller opens or releases it. */
	readonly lease: Lease;
}

/**
 * Tries an endpoint.
 *
 * @param signal aborts when the client leaves
 * @param dial does the handshake; is given the signal to listen to, which for a trial is not the client's
 * @param permit what the other workers granted; given back with the lease
 * @param client the client's address
 * @throws what `dial` throws, and CLIENT_GONE as soon as the client leaves; the lease is then given back by itself
 */
export function attemptHandshake(
	protection: Protection,
	endpoint: Endpoint,
	signal: DepartureSignal,
	dial: (signal: DepartureSignal) => Promise<DialResult>,
	permit?: Permit,
	client?: string,
): Promise<Attempted> {
	if (signal.aborted) {
		permit?.release();
		return Promise.reject(new GatewayError("CLIENT_GONE"));
	}
	const lease = new Lease(protection, endpoint, permit, client);
	const { trial } = lease.judgement;
	const attempted = judge(lease, dial(trial?.signal ?? signal));
	return trial === undefined ? attempted : whileClientStays(attempted, signal);
}

async function judge(lease: Lease, dialled: Promise<DialResult>): Promise<Attempted> {
	try {
		const result = await dialled;
		lease.judgement.settle(handshakeVerdict(result));
		if (result.kind === "refused") lease.release();
		return { result, lease };
	} catch (error) {
		lease.judgement.settle(errorVerdict(asGatewayError(error)));
		lease.release();
		throw error;
	}
}

/** Follows a trial until its client leaves. The trial goes on; a connection that nobody wants then is closed politely. */
function whileClientStays(attempted: Promise<Attempted>, signal: DepartureSignal): Promise<Attempted> {
	return new Promise((resolve, reject) => {
		const onAbort = (): void => reject(new GatewayError("CLIENT_GONE"));
		signal.addEventListener("abort", onAbort, { once: true });
		attempted.then(
			(result) => {
				signal.removeEventListener("abort", onAbort);
				if (signal.aborted) discard(result);
				else resolve(result);
			},
			(error) => {
				signal.removeEventListener("abort", onAbort);
				// After the client left nobody is told: the breaker has judged it, and says so.
				reject(error);
			},
		);
	});
}

/** Gives back what was accepted for a client that is not there any more. */
export function discard({ result, lease }: Attempted): void {
	if (result.kind === "accepted") closeUnused(result.socket);
	lease.release();
}
