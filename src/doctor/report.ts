/** What an examination found. */
import type { Finding, Severity } from "./cause.ts";
import type { StepId } from "./causes/index.ts";

/** One step that was taken. */
export interface StepReport {
	readonly id: StepId;
	readonly status: "ok" | Severity;
	/** What was seen, on one line. */
	readonly seen: string;
	/** Milliseconds that it took. */
	readonly ms: number;
	readonly findings: readonly Finding[];
	/** More of what was seen, for those who ask: heads, the certificate chain. */
	readonly detail: readonly string[];
}

export interface Report {
	/** Where it was, without query and password. */
	readonly url: string;
	/** No problem was found; warnings may have been. */
	readonly healthy: boolean;
	readonly steps: readonly StepReport[];
}

/** The report for programs. */
export function reportJson({ url, healthy, steps }: Report): unknown {
	return {
		url,
		healthy,
		steps: steps.map(({ id, status, seen, ms, findings, detail }) => ({
			id,
			status,
			seen,
			ms: Math.round(ms * 10) / 10,
			advice: findings.flatMap(({ advice }) => advice),
			causes: findings,
			...(detail.length > 0 && { detail }),
		})),
	};
}
