import { GatewayError } from "../../errors.ts";

/** Why a handshake is refused when the supervisor did not answer. To be thrown in its place. */
export function limitsUnavailable(error: unknown): never {
	throw new GatewayError("LIMITS_UNAVAILABLE", `the supervisor: ${(error as Error).message}`, {
		retryAfter: 1,
		cause: error,
	});
}
