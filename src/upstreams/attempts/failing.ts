/** Whether an endpoint's last attempts all failed: what is known of one that nobody probes. It decides nothing. */
import type { EndpointState } from "../endpoint.ts";
import type { Verdict } from "./verdict.ts";

/** So many in a row; a connection that cannot be made says enough alone. */
const FAILING_AFTER = 3;

/** Counts an attempt in. */
export function noteOutcome(state: EndpointState, verdict: Verdict): void {
	if (verdict.kind === "failure") {
		state.failedAttempts = verdict.provoked
			? state.failedAttempts + 1
			: Math.max(FAILING_AFTER, state.failedAttempts + 1);
		state.lastFailure = verdict.reason;
	} else if (verdict.kind === "success" || verdict.answered) {
		state.failedAttempts = 0;
	}
}

/** Why the last attempts failed; undefined when they did not, or there were none. */
export function failingReason({ failedAttempts, lastFailure }: EndpointState): string | undefined {
	return failedAttempts < FAILING_AFTER ? undefined : lastFailure;
}
