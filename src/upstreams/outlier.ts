/**
 * `outlier_detection`: an endpoint that fails real handshakes several times in a row takes no new connections for a
 * while. Modelled on Envoy's consecutive failures.
 *
 * What counts: the connection cannot be made, no answer in time, a 5xx, an answer that is no valid handshake. An accepted
 * handshake ends the row. Tunnels that the backend drops without a Close within the first second are a row of their own,
 * because each of them began with an accepted handshake; one that outlives that second, or that is closed properly,
 * ends it. A 4xx and a client that leaves are neither. What a request can bring about counts once for each client address:
 * see failure-row.ts.
 */
import { z } from "zod";
import { finiteDuration, percent } from "../options.ts";
import type { Notice } from "./attempts/notice.ts";
import type { EligibilityRule } from "./eligible.ts";
import type { Endpoint } from "./endpoint.ts";
import { FailureRow } from "./failure-row.ts";
import type { EndpointNews, SharedUpstreams } from "./shared.ts";
import { becameAvailable } from "./slow-start.ts";

/** An ejection never lasts longer than this, or than `base_ejection_time` if that is longer (as in Envoy). */
const LONGEST_EJECTION = 300_000;

/** The option `outlier_detection` of an upstream. */
export const outlierOptions = z.strictObject({
	consecutive_failures: z.int().min(1).max(1000).prefault(5).meta({
		description:
			"Failures in a row until an endpoint is ejected: no connection, no answer in time, a 5xx, an invalid 101, or a tunnel that the backend drops without a Close in its first second. All but the first count once for each client address, and only when two addresses at least meet them.",
	}),
	base_ejection_time: finiteDuration
		.refine((ms) => ms > 0 && ms < 2 ** 31, { error: "has to be longer than 0, at most 596h" })
		.prefault("30s")
		.meta({
			description:
				"How long the first ejection lasts; the second in a row lasts twice as long, and so on up to 5m. Each such time without an ejection takes one back.",
		}),
	max_ejection_percent: percent
		.refine((value) => value > 0 && value <= 100, { error: "has to be above 0%, at most 100%" })
		.prefault("50%")
		.meta({
			description:
				"Never more than this share of the upstream's endpoints in service is ejected at once; but one may be when there are two or more. The only endpoint is never ejected.",
		}),
});

export type OutlierConfig = z.output<typeof outlierOptions>;

/** Counts of one endpoint; they outlive reloads. */
export class OutlierState {
	/** Failed handshakes since the last accepted one. */
	readonly failures = new FailureRow();
	/** Tunnels in a row that the backend dropped in their first second. */
	readonly earlyEnds = new FailureRow();
	/** Whether the endpoint takes no new connections now. */
	ejected = false;
	/** When the present, or the last, ejection is over (gateway's clock, ms). */
	ejectedUntil = 0;
	/** Ejections in a row: what an ejection time is multiplied by. It stops growing with the time. */
	ejections = 0;
	/** Those decided by this process since it started, for the metric. */
	total = 0;
	/** The other workers are being asked whether it may be ejected. */
	asking = false;
	/** When the last ejection was over. */
	returnedAt = 0;
	#timer: NodeJS.Timeout | undefined;

	/** Takes the endpoint out for `ms`, then calls `over`. */
	eject(ms: number, over: () => void): void {
		this.ejected = true;
		this.#timer = setTimeout(() => {
			this.retire();
			over();
		}, ms);
		// An ejection is no reason for the process to stay.
		this.#timer.unref();
	}

	/** Ends an ejection without a word, and begins counting anew. */
	retire(): void {
		clearTimeout(this.#timer);
		this.ejected = false;
		this.failures.clear();
		this.earlyEnds.clear();
	}
}

export interface OutlierParts {
	readonly upstream: string;
	readonly endpoints: readonly Endpoint[];
	/** Milliseconds, monotonic. */
	readonly now: () => number;
	readonly notice: Notice;
	/** Set when there are other workers. */
	readonly shared?: SharedUpstreams | undefined;
}

interface Ejection {
	readonly ms: number;
	/** How many it is in a row. */
	readonly ejections: number;
}

/** Outlier detection of one upstream in one snapshot; the counts are in the endpoints' states. */
export class OutlierDetection {
	readonly rule: EligibilityRule = { reason: "ejected", allows: ({ state }) => !state.outlier.ejected };
	readonly #options: OutlierConfig;
	readonly #parts: OutlierParts;

	constructor(options: OutlierConfig, parts: OutlierParts) {
		this.#options = options;
		this.#parts = parts;
	}

	/** The endpoint accepted a handshake. */
	accepted({ state }: Endpoint): void {
		state.outlier.failures.clear();
	}

	/**
	 * A handshake failed; `reason` in a word.
	 * @param client whose request it was, when that can be the cause
	 */
	failed(endpoint: Endpoint, reason: string, client: string | undefined): void {
		const { outlier } = endpoint.state;
		// What was under way when it was ejected is not held against it again.
		if (outlier.ejected) return;
		outlier.failures.add(client);
		this.#judge(endpoint, outlier.failures, reason);
	}

	/** The backend dropped a tunnel of `client` in its first second. */
	endedEarly(endpoint: Endpoint, reason: string, client: string | undefined): void {
		const { outlier } = endpoint.state;
		if (outlier.ejected) return;
		outlier.earlyEnds.add(client);
		this.#judge(endpoint, outlier.earlyEnds, reason);
	}

	/** A tunnel outlived its first second, or was closed properly. */
	survived({ state }: Endpoint): void {
		state.outlier.earlyEnds.clear();
	}

	/** Takes over what another worker decided, without a word. */
	learn(endpoint: Endpoint, ejection: EndpointNews & Ejection): void {
		if (!endpoint.state.outlier.ejected) this.#eject(endpoint, ejection);
	}

	#judge(endpoint: Endpoint, row: FailureRow, reason: string): void {
		const failures = row.count;
		if (failures < this.#options.consecutive_failures || !row.conclusive) return;
		const most = this.#mostEjected();
		if (this.#ejected() >= most) return;
		const { upstream, now, shared } = this.#parts;
		const { outlier } = endpoint.state;
		const base = this.#options.base_ejection_time;
		const longest = Math.max(base, LONGEST_EJECTION);
		const earned = Math.floor((now() - outlier.returnedAt) / base);
		const ejections = Math.min(Math.max(0, outlier.ejections - earned) + 1, Math.ceil(longest / base));
		const ejection = { ms: Math.min(base * ejections, longest), ejections };
		const eject = (): void => this.#decide(endpoint, ejection, `${failures} in a row failed, the last one: ${reason}`);
		if (shared === undefined) {
			eject();
		} else if (!outlier.asking) {
			outlier.asking = true;
			void shared.eject({ upstream, endpoint: endpoint.id, ...ejection, most }).then((granted) => {
				outlier.asking = false;
				if (granted && !outlier.ejected) eject();
			});
		}
	}

	#decide(endpoint: Endpoint, ejection: Ejection, reason: string): void {
		const { upstream, notice } = this.#parts;
		const named = { upstream, endpoint: endpoint.id };
		endpoint.state.outlier.total++;
		const over = { reason: "ejection over", ejection_ms: ejection.ms };
		this.#eject(endpoint, ejection, () => notice("info", "endpoint.up", { ...named, ...over }));
		notice("warn", "endpoint.ejected", {
			...named,
			reason,
			ejection_ms: ejection.ms,
			ejections: ejection.ejections,
		});
	}

	#eject(endpoint: Endpoint, { ms, ejections }: Ejection, over?: () => void): void {
		const { now } = this.#parts;
		const { outlier } = endpoint.state;
		outlier.ejections = ejections;
		outlier.ejectedUntil = now() + ms;
		outlier.eject(ms, () => {
			outlier.returnedAt = now();
			becameAvailable(endpoint, outlier.returnedAt);
			over?.();
		});
	}

	/** Endpoints in maint or drain, or without weight, carry nothing: they do not make room for an ejection. */
	#mostEjected(): number {
		const total = this.#parts.endpoints.filter(inService).length;
		return total < 2 ? 0 : Math.max(1, Math.floor((this.#options.max_ejection_percent * total) / 100));
	}

	#ejected(): number {
		return this.#parts.endpoints.filter((endpoint) => inService(endpoint) && endpoint.state.outlier.ejected).length;
	}
}

function inService({ mode, weight }: Endpoint): boolean {
	return mode === "ready" && weight !== 0;
}
