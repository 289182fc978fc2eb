/** Changing the configuration of a running gateway: all of it or nothing, and only what changed (DESIGN §6). */
import { isDeepStrictEqual } from "node:util";
import type { Loaded } from "./config/load.ts";
import { formatProblem } from "./config/problem.ts";
import type { GatewayConfig } from "./config/schema.ts";
import { fingerprint } from "./config/watch.ts";
import type { Gateway } from "./gateway/gateway.ts";

/** Who asked for a reload. */
export type ReloadTrigger = "file" | "signal" | "api";

export interface ReloadResult {
	readonly result: "success" | "unchanged" | "rejected";
	/** Every problem as `F:line:col: key.path: message`; also warnings of a configuration that was taken. */
	readonly problems: readonly string[];
}

/** What a change of the configuration did. */
export interface Changed {
	readonly routes: number;
	readonly upstreams: number;
	/** Names of listeners. */
	readonly opened: readonly string[];
	readonly closed: readonly string[];
	/** Tunnels open then. */
	readonly connections: number;
	/** How many of them are drained. */
	readonly drained: number;
}

/** A change of the configuration that can take effect, and can still be given up. */
export interface Change {
	commit(): Promise<Changed>;
	/** Everything stays as it was. */
	abandon(): Promise<void>;
}

export interface ReloaderParts {
	readonly gateway: Gateway;
	/** Reads the configuration anew. */
	readonly load: () => Loaded;
	/**
	 * Does all that can fail.
	 * @throws Error when something that the checks could read cannot be used
	 */
	readonly prepare: (config: GatewayConfig) => Promise<Change>;
	/** What of a configuration does not take effect now, in words. */
	readonly warnings: (config: GatewayConfig) => readonly string[];
	/** What else follows the configuration (probes); called after the change. */
	readonly applied: () => void;
}

export class Reloader {
	readonly #parts: ReloaderParts;
	/** The files that the configuration named when it was read last, whether it was taken or not. */
	files: readonly string[];
	/** Of the files of the running configuration: a new certificate behind the same name is a change too. */
	#fingerprint: string;
	/** What was read last was rejected. */
	#isRejected = false;
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
		const { gateway, load, warnings: warningsOf } = this.#parts;
		if (gateway.stopping) return { result: "rejected", problems: ["the gateway is shutting down"] };
		const { config, problems: found, files } = load();
		this.files = files;
		const problems = found.map(formatProblem);
		if (!config) return this.#rejected(trigger, problems);
		const digest = fingerprint(files);
		if (digest === this.#fingerprint && isDeepStrictEqual(config, gateway.snapshot.config)) {
			// After a rejection it is news that the file says again what is in force.
			gateway.events.notice(this.#isRejected ? "info" : "debug", "config.unchanged", { trigger });
			this.#isRejected = false;
			return { result: "unchanged", problems };
		}
		const warnings = [...problems, ...warningsOf(config)];
		try {
			await this.#apply(config, trigger, warnings);
		} catch (error) {
			return this.#rejected(trigger, [...problems, (error as Error).message]);
		}
		this.#fingerprint = digest;
		this.#isRejected = false;
		return { result: "success", problems: warnings };
	}

	/** @throws Error before anything was changed */
	async #apply(config: GatewayConfig, trigger: ReloadTrigger, warnings: readonly string[]): Promise<void> {
		const { gateway, prepare, applied } = this.#parts;
		const startedAt = gateway.clock();
		const change = await prepare(config);
		const { routes, upstreams, opened, closed, connections, drained } = await change.commit();
		applied();
		gateway.events.notice("info", "config.reload", {
			trigger,
			routes,
			upstreams,
			listeners_opened: opened.length > 0 ? opened : undefined,
			listeners_closed: closed.length > 0 ? closed : undefined,
			connections,
			drained,
			duration_ms: Math.round(gateway.clock() - startedAt),
			warnings: warnings.length > 0 ? warnings : undefined,
		});
	}

	#rejected(trigger: ReloadTrigger, problems: readonly string[]): ReloadResult {
		const { events } = this.#parts.gateway;
		this.#isRejected = true;
		events.notice("error", "config.rejected", { trigger, message: problems[0], problems });
		return { result: "rejected", problems };
	}
}

/** What a reload says when the number of processes changes between one and several. */
export function restartWarnings(running: number, asked: number): string[] {
	if ((running === 1) === (asked === 1)) return [];
	const now = running === 1 ? "this is a single process" : `there are ${running} worker processes`;
	return [`workers: ${asked} takes effect after a restart; until then ${now}`];
}
