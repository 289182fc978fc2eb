/** Changing the configuration of a running gateway: all of it or nothing, and only what changed (DESIGN §6). */
import { isDeepStrictEqual } from "node:util";
import type { Loaded } from "./config/load.ts";
import { formatProblem } from "./config/problem.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { fingerprint } from "./config/watch.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { retire } from "./gateway/retire.ts";
import type { Snapshot } from "./gateway/snapshot.ts";
import type { Listeners } from "./server/listeners.ts";

/** Who asked for a reload. */
export type ReloadTrigger = "file" | "signal" | "api";

export interface ReloadResult {
	readonly result: "success" | "unchanged" | "rejected";
	/** Every problem as `F:line:col: key.path: message`; also warnings of a configuration that was taken. */
	readonly problems: readonly string[];
}

export interface ReloaderParts {
	readonly gateway: Gateway;
	readonly listeners: Listeners;
	/** Reads the configuration anew. */
	readonly load: () => Loaded;
	/** @throws Error when something that the checks could read cannot be used */
	readonly compile: (config: GatewayConfig) => Snapshot;
	/** What else follows the configuration (log, admin port, probes); called after the swap. */
	readonly applied: (snapshot: Snapshot) => Promise<void> | void;
}

export class Reloader {
	readonly #parts: ReloaderParts;
	/** The files that the configuration named when it was read last, whether it was taken or not. */
	files: readonly string[];
	/** Of the files of the running configuration: a new certificate behind the same name is a change too. */
	#fingerprint: string;
	/** One at a time, in order. */
	#last: Promise<unknown> = Promise.resolve();

	constructor(parts: ReloaderParts, files: readonly string[]) {
		this.#parts = parts;
		this.files = files;
		this.#fingerprint = fingerprint(files);
	}

	/** Never rejects: what goes wrong is in the result and in the log, and the running configuration stays. */
	reload(trigger: ReloadTrigger): Promise<ReloadResult> {
		const result = this.#last.then(() => this.#reload(trigger));
		this.#last = result;
		return result;
	}

	async #reload(trigger: ReloadTrigger): Promise<ReloadResult> {
		const { gateway, load } = this.#parts;
		if (gateway.stopping) return { result: "rejected", problems: ["the gateway is shutting down"] };
		const { config, problems: found, files } = load();
		this.files = files;
		const problems = found.map(formatProblem);
		if (!config) return this.#rejected(trigger, problems);
		const digest = fingerprint(files);
		if (digest === this.#fingerprint && isDeepStrictEqual(config, gateway.snapshot.config)) {
			gateway.events.notice("debug", "config.unchanged", { trigger });
			return { result: "unchanged", problems };
		}
		try {
			await this.apply(config, trigger, problems);
		} catch (error) {
			return this.#rejected(trigger, [...problems, (error as Error).message]);
		}
		this.#fingerprint = digest;
		return { result: "success", problems };
	}

	/**
	 * Swaps the snapshot for one of `config`.
	 * @throws Error before anything was changed
	 */
	async apply(config: GatewayConfig, trigger: string, warnings: readonly string[] = []): Promise<void> {
		const { gateway, listeners, compile, applied } = this.#parts;
		const startedAt = gateway.clock();
		const next = compile(config);
		const change = await listeners.prepare(config.listeners);
		const old = gateway.snapshot;
		gateway.snapshot = next;
		const { opened, closed } = await change.commit();
		gateway.forwarders.retain(new Set(next.upstreams.values()));
		const drained = retire(gateway.connections.list(), old, next, gateway.drains);
		await applied(next);
		gateway.events.notice("info", "config.reload", {
			trigger,
			routes: next.routes.length,
			upstreams: next.upstreams.size,
			listeners_opened: opened.length > 0 ? opened : undefined,
			listeners_closed: closed.length > 0 ? closed : undefined,
			connections: gateway.connections.size,
			drained,
			duration_ms: Math.round(gateway.clock() - startedAt),
			warnings: warnings.length > 0 ? warnings : undefined,
		});
	}

	#rejected(trigger: ReloadTrigger, problems: readonly string[]): ReloadResult {
		const { events } = this.#parts.gateway;
		events.notice("error", "config.rejected", { trigger, message: problems[0], problems });
		return { result: "rejected", problems };
	}
}
