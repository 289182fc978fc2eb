/** `/metrics` of the whole gateway: the workers' registries and the supervisor's as one. */
import type { MetricsText } from "../../admin/metrics.ts";
import { countsOf, type MetricObject, merge, metricsText, supervisorPart, workerPart } from "../../telemetry/merge.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { WorkerHandle, Workers } from "../contract.ts";

/** A worker that takes longer is left out of a scrape, ms. */
const ANSWER_MS = 1_500;
/** Without scrapes the workers are asked this often, ms: what a worker counted after that is lost when it crashes. */
const REFRESH_MS = 10_000;

type Report = readonly MetricObject[];

/**
 * Counters never go down: what a worker counted stays in the sums after its end, as it was when it was asked last, and so
 * does what one that does not answer in time counted before.
 */
export class GatewayMetrics implements MetricsText {
	readonly #own: Metrics;
	readonly #workers: Workers;
	readonly #alive: () => readonly WorkerHandle[];
	/** The last answer of each worker that lives. */
	readonly #reports = new Map<WorkerHandle, Report>();
	/** Of the ones that have ended. */
	#gone: Report = [];
	#askedAt = Number.NEGATIVE_INFINITY;
	readonly #refresh: NodeJS.Timeout;

	/**
	 * Follows the workers from here on.
	 * @param alive those that can be asked, also when they are about to end
	 * @param wanted whether anybody can ask for metrics
	 */
	constructor(own: Metrics, workers: Workers, alive: () => readonly WorkerHandle[], wanted: () => boolean) {
		this.#own = own;
		this.#workers = workers;
		this.#alive = alive;
		workers.onStart((worker) => {
			this.#reports.set(worker, []);
			worker.channel.handle("farewell", (metrics) => this.#report(worker, metrics));
		});
		workers.onExit((worker) => {
			this.#gone = merge([this.#gone, countsOf(this.#reports.get(worker) ?? [])]);
			this.#reports.delete(worker);
		});
		this.#refresh = setInterval(() => {
			if (wanted() && performance.now() - this.#askedAt >= REFRESH_MS) void this.#ask();
		}, REFRESH_MS).unref();
	}

	get contentType(): string {
		return this.#own.contentType;
	}

	/** What processes that have ended counted. */
	get gone(): Report {
		return this.#gone;
	}

	async render(): Promise<string> {
		const fresh = await this.#ask();
		const own = supervisorPart((await this.#own.registry.getMetricsAsJSON()) as unknown as Report, {
			serving: this.#workers.list().filter((worker) => fresh.has(worker)).length,
			configured: this.#workers.size,
		});
		const parts = [...this.#reports].map(([worker, report]) => (fresh.has(worker) ? report : countsOf(report)));
		return metricsText([own, ...parts, this.#gone]);
	}

	stop(): void {
		clearInterval(this.#refresh);
	}

	/** Resolves with those that answered. */
	async #ask(): Promise<Set<WorkerHandle>> {
		this.#askedAt = performance.now();
		const fresh = new Set<WorkerHandle>();
		const ask = async (worker: WorkerHandle): Promise<void> => {
			this.#report(worker, await worker.channel.call("metrics", undefined, ANSWER_MS));
			fresh.add(worker);
		};
		// One that is stuck is not waited for.
		await Promise.allSettled(
			this.#alive()
				.filter(({ stuck }) => !stuck)
				.map(ask),
		);
		return fresh;
	}

	#report(worker: WorkerHandle, metrics: Report): void {
		// After its end its counts are where they belong.
		if (this.#reports.has(worker)) this.#reports.set(worker, workerPart(metrics));
	}
}
