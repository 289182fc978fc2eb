/** The event counters of one route and upstream, looked up once and then counted without building labels. */
import type { Counter, Histogram } from "prom-client";
import type { CloseReport } from "../gateway/events.ts";
import { closeCodeLabel } from "./close-code.ts";

/** The metrics that {@link RouteSeries} has a part of. */
export interface RouteMetrics {
	readonly opened: Counter;
	readonly closed: Counter;
	readonly handshakes: Counter;
	readonly handshakeSeconds: Histogram;
	readonly connectionSeconds: Histogram;
}

/** Its maps are bounded: results are codes of the error table, close codes are folded. */
export class RouteSeries {
	readonly #metrics: RouteMetrics;
	readonly #route: string;
	readonly #upstream: string;
	readonly #opened: Counter.Internal;
	readonly #handshakeSeconds: Histogram.Internal<string>;
	readonly #connectionSeconds: Histogram.Internal<string>;
	readonly #handshakes = new Map<string, Counter.Internal>();
	readonly #closed = new Map<string, Counter.Internal>();

	constructor(metrics: RouteMetrics, route: string, upstream: string) {
		this.#metrics = metrics;
		this.#route = route;
		this.#upstream = upstream;
		this.#opened = metrics.opened.labels({ route, upstream });
		this.#handshakeSeconds = metrics.handshakeSeconds.labels({ route, upstream });
		this.#connectionSeconds = metrics.connectionSeconds.labels({ route, upstream });
	}

	open(): void {
		this.#opened.inc();
	}

	/** `result` is `ok` or a code of the error table. */
	handshake(result: string, milliseconds: number): void {
		let counter = this.#handshakes.get(result);
		if (!counter) {
			counter = this.#metrics.handshakes.labels({ route: this.#route, upstream: this.#upstream, result });
			this.#handshakes.set(result, counter);
		}
		counter.inc();
		this.#handshakeSeconds.observe(milliseconds / 1000);
	}

	close(report: CloseReport): void {
		const { close_initiator: initiator, termination } = report;
		const close_code = closeCodeLabel(report.close_code);
		const key = `${close_code} ${initiator} ${termination}`;
		let counter = this.#closed.get(key);
		if (!counter) {
			const { closed } = this.#metrics;
			counter = closed.labels({ route: this.#route, upstream: this.#upstream, close_code, initiator, termination });
			this.#closed.set(key, counter);
		}
		counter.inc();
		this.#connectionSeconds.observe(report.duration_ms / 1000);
	}
}
