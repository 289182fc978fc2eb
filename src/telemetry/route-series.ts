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

/** What was counted since the counter was told last: its own `inc` costs more than the rest of an event. */
class Tally {
	count = 0;
	readonly #counter: Counter.Internal;

	constructor(counter: Counter.Internal) {
		this.#counter = counter;
	}

	flush(): void {
		if (this.count > 0) this.#counter.inc(this.count);
		this.count = 0;
	}
}

/** Its maps are bounded: results are codes of the error table, close codes are folded. */
export class RouteSeries {
	readonly #metrics: RouteMetrics;
	readonly #route: string;
	readonly #upstream: string;
	readonly #opened: Tally;
	readonly #handshakeSeconds: Histogram.Internal<string>;
	readonly #connectionSeconds: Histogram.Internal<string>;
	readonly #handshakes = new Map<string, Tally>();
	readonly #closed = new Map<string, Tally>();

	constructor(metrics: RouteMetrics, route: string, upstream: string) {
		this.#metrics = metrics;
		this.#route = route;
		this.#upstream = upstream;
		this.#opened = new Tally(metrics.opened.labels({ route, upstream }));
		this.#handshakeSeconds = metrics.handshakeSeconds.labels({ route, upstream });
		this.#connectionSeconds = metrics.connectionSeconds.labels({ route, upstream });
	}

	open(): void {
		this.#opened.count++;
	}

	/** `result` is `ok` or a code of the error table. */
	handshake(result: string, milliseconds: number): void {
		let counter = this.#handshakes.get(result);
		if (!counter) {
			const labels = { route: this.#route, upstream: this.#upstream, result };
			counter = new Tally(this.#metrics.handshakes.labels(labels));
			this.#handshakes.set(result, counter);
		}
		counter.count++;
		this.#handshakeSeconds.observe(milliseconds / 1000);
	}

	close(report: CloseReport): void {
		const { close_initiator: initiator, termination } = report;
		const close_code = closeCodeLabel(report.close_code);
		const key = `${close_code} ${initiator} ${termination}`;
		let counter = this.#closed.get(key);
		if (!counter) {
			const { closed } = this.#metrics;
			const labels = { route: this.#route, upstream: this.#upstream, close_code, initiator, termination };
			counter = new Tally(closed.labels(labels));
			this.#closed.set(key, counter);
		}
		counter.count++;
		this.#connectionSeconds.observe(report.duration_ms / 1000);
	}

	/** Tells the counters what was counted; to be called before they are read. */
	flush(): void {
		this.#opened.flush();
		for (const tally of this.#handshakes.values()) tally.flush();
		for (const tally of this.#closed.values()) tally.flush();
	}
}
