/** Watches the upstreams of the current snapshot: health checks of their endpoints, and discovery of new ones. */
import { localProxyHeader } from "../protocol/proxy-protocol-header.ts";
import { createSource, type DiscoveryConfig } from "./discovery/index.ts";
import { Watcher } from "./discovery/watcher.ts";
import type { Endpoint, EndpointConfig } from "./endpoint.ts";
import { type HealthChange, Prober } from "./health/prober.ts";
import { type ProbeAnswer, ProbeTrial } from "./health/trial.ts";
import { forgetHealth } from "./health/verdict.ts";
import type { Upstream } from "./upstream.ts";

/** What the monitor is given from outside. */
export interface MonitorDeps {
	/** Takes `endpoint.up`, `endpoint.down`, `health_check.mistaken`, `discovery.changed`, `discovery.failed` and `discovery.recovered`. */
	readonly notice: (level: "info" | "warn", event: string, fields: Record<string, unknown>) => void;
	/** A number in [0, 1). */
	readonly random: () => number;
	/** Milliseconds, monotonic. */
	readonly clock: () => number;
	/** An endpoint went from healthy or unknown to unhealthy; what happens to its connections is `upstream.onUnhealthy`. */
	readonly onDown: (upstream: Upstream, endpoint: Endpoint) => void;
	/** An endpoint went from unhealthy or unknown to healthy. */
	readonly onUp: (upstream: Upstream, endpoint: Endpoint) => void;
	/** What was known about an endpoint's health is so no more: it is probed no longer, or anew after `maint`. */
	readonly onForgotten?: (upstream: Upstream, endpoint: Endpoint) => void;
	/**
	 * Discovery found other endpoints than before; {@link Monitor.discovered} has them already. Expected to compile a
	 * snapshot with them and to call {@link Monitor.update}. When it fails, the look-up counts as failed and is tried again.
	 */
	readonly onEndpoints: (upstream: string, endpoints: readonly EndpointConfig[]) => void | Promise<void>;
}

interface Probed {
	readonly prober: Prober;
	readonly options: string;
	/** Those of the latest snapshot. */
	upstream: Upstream;
	endpoint: Endpoint;
}

/** One for each upstream with a health check. */
interface Tried {
	readonly trial: ProbeTrial;
	readonly options: string;
	/** That of the latest snapshot. */
	upstream: Upstream;
}

interface Watched {
	readonly watcher: Watcher;
	readonly options: string;
}

/** One for each gateway process. It outlives snapshots; {@link update} tells it of each new one. */
export class Monitor {
	readonly #deps: MonitorDeps;
	readonly #probed = new Map<string, Probed>();
	/** By upstream name. */
	readonly #tried = new Map<string, Tried>();
	readonly #watched = new Map<string, Watched>();
	readonly #discovered = new Map<string, readonly EndpointConfig[]>();

	constructor(deps: MonitorDeps) {
		this.#deps = deps;
	}

	/** The last good answer of every upstream with discovery, by name: for `withDiscovered`. */
	get discovered(): ReadonlyMap<string, readonly EndpointConfig[]> {
		return this.#discovered;
	}

	/**
	 * Takes over the upstreams of the snapshot that is in force now, or notices what an operator changed in it. What has
	 * the same upstream name, endpoint id and options goes on undisturbed; with other options it starts anew, but an
	 * endpoint keeps its health until probes say otherwise.
	 */
	update(upstreams: Iterable<Upstream>): void {
		const all = [...upstreams];
		this.#updateProbers(all);
		this.#updateWatchers(all);
	}

	/** Resolves when every discovery has its first good answer, or has been waited for long enough (2 s at most). */
	async ready(): Promise<void> {
		await Promise.all([...this.#watched.values()].map(({ watcher }) => watcher.ready));
	}

	/** Leaves no timer, no socket and no question behind. Health stays as it is. */
	stop(): void {
		for (const { prober } of this.#probed.values()) prober.stop();
		for (const { watcher } of this.#watched.values()) watcher.stop();
		this.#probed.clear();
		this.#tried.clear();
		this.#watched.clear();
	}

	#updateProbers(upstreams: readonly Upstream[]): void {
		const gone = new Map(this.#probed);
		const untried = new Set(this.#tried.keys());
		for (const upstream of upstreams) {
			if (upstream.healthCheck === undefined) continue;
			untried.delete(upstream.name);
			const options = JSON.stringify([
				upstream.healthCheck,
				upstream.proxyProtocol,
				upstream.addressCache,
				upstream.lenient,
			]);
			const tried = this.#tried.get(upstream.name);
			if (tried?.options === options) tried.upstream = upstream;
			else this.#tried.set(upstream.name, { trial: new ProbeTrial(), options, upstream });
			for (const endpoint of upstream.endpoints) {
				const key = `${upstream.name}\0${endpoint.id}`;
				const known = this.#probed.get(key);
				gone.delete(key);
				if (known?.options === options) {
					known.upstream = upstream;
					known.endpoint = endpoint;
					known.prober.update(endpoint, upstream.tls);
				} else {
					known?.prober.stop();
					this.#probe(key, options, upstream, endpoint);
				}
			}
		}
		for (const name of untried) this.#tried.delete(name);
		for (const [key, { prober, upstream, endpoint }] of gone) {
			prober.stop();
			this.#probed.delete(key);
			// It may come back, or go on without a health check.
			forgetHealth(endpoint.state);
			this.#deps.onForgotten?.(upstream, endpoint);
		}
	}

	#probe(key: string, options: string, upstream: Upstream, endpoint: Endpoint): void {
		if (upstream.healthCheck === undefined) return;
		const { clock, random } = this.#deps;
		const tried = this.#tried.get(upstream.name);
		const prober = new Prober(upstream.healthCheck, endpoint, upstream.tls, {
			clock,
			random,
			lookup: upstream.lookup,
			lenient: upstream.lenient,
			preamble: upstream.proxyProtocol && localProxyHeader(upstream.proxyProtocol),
			judge: tried && ((answer, status) => this.#judge(tried, endpoint.id, answer, status)),
			onChange: (change) => this.#healthChanged(entry, change),
			onForgotten: () => this.#deps.onForgotten?.(upstream, endpoint),
		});
		const entry: Probed = { prober, options, upstream, endpoint };
		this.#probed.set(key, entry);
	}

	/** A mistaken health check is told once. */
	#judge({ trial, upstream }: Tried, endpoint: string, answer: ProbeAnswer, status: number | undefined) {
		const known = trial.mistaken;
		const probed = upstream.endpoints.filter(({ mode }) => mode !== "maint").map(({ id }) => id);
		const verdict = trial.take(endpoint, answer, probed);
		if (trial.mistaken && !known) {
			const message = `no probe has succeeded yet, and every endpoint that answers refuses it with a 4xx status: the health check is mistaken, and the endpoints stay in use; ${whatToDo(status)}`;
			this.#deps.notice("warn", "health_check.mistaken", {
				upstream: upstream.name,
				check: upstream.healthCheck?.type,
				status,
				message,
			});
		}
		return verdict;
	}

	#healthChanged({ upstream, endpoint }: Probed, { health, reason, probes }: HealthChange): void {
		const up = health === "healthy";
		this.#deps.notice(up ? "info" : "warn", up ? "endpoint.up" : "endpoint.down", {
			upstream: upstream.name,
			endpoint: endpoint.id,
			check: upstream.healthCheck?.type,
			reason,
			[up ? "successes" : "failures"]: probes,
		});
		if (up) this.#deps.onUp(upstream, endpoint);
		else this.#deps.onDown(upstream, endpoint);
	}

	#updateWatchers(upstreams: readonly Upstream[]): void {
		const gone = new Map(this.#watched);
		for (const { name, discovery } of upstreams) {
			if (discovery === undefined) continue;
			gone.delete(name);
			const options = JSON.stringify(discovery);
			const known = this.#watched.get(name);
			if (known?.options === options) continue;
			known?.watcher.stop();
			this.#watched.set(name, { watcher: this.#watch(name, discovery), options });
		}
		for (const [name, { watcher }] of gone) {
			watcher.stop();
			this.#watched.delete(name);
			this.#discovered.delete(name);
		}
	}

	#watch(upstream: string, discovery: DiscoveryConfig): Watcher {
		const source = createSource(discovery);
		const { clock, notice, onEndpoints } = this.#deps;
		const facts = { upstream, question: source.question };
		return new Watcher(source, discovery.interval, {
			clock,
			onChange: async (endpoints) => {
				// With other options than before, the pool is what the last answer to the old ones made it.
				const before = (this.#discovered.get(upstream) ?? []).map(({ url }) => url);
				const urls = endpoints.map(({ url }) => url);
				this.#discovered.set(upstream, endpoints);
				await onEndpoints(upstream, endpoints);
				notice("info", "discovery.changed", {
					...facts,
					endpoints: endpoints.length,
					added: urls.filter((url) => !before.includes(url)),
					removed: before.filter((url) => !urls.includes(url)),
				});
			},
			onFailed: (reason) => {
				const kept = this.#discovered.get(upstream)?.length ?? 0;
				notice("warn", "discovery.failed", { ...facts, reason, endpoints: kept });
			},
			onRecovered: () => {
				notice("info", "discovery.recovered", { ...facts, endpoints: this.#discovered.get(upstream)?.length ?? 0 });
			},
		});
	}
}

/** What most often makes a server that lives refuse a probe with this status. */
function whatToDo(status: number | undefined): string {
	switch (status) {
		case 401:
		case 403:
			return "set health_check.headers to what the servers ask for (Authorization), or health_check.path to one that needs no login";
		case 404:
		case 405:
			return "set health_check.path to one that the servers have";
		case 400:
		case 421:
			return "set health_check.host to a name that the servers serve";
		case 426:
			return "set health_check.type to websocket or tcp: the servers have WebSockets only there";
		default:
			return "set health_check.host, path or headers to what the servers expect, or expected_statuses";
	}
}
