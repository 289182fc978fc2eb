/** Changing the configuration of a running gateway: all of it or nothing, and only what changed. */
import { type Comparison, compareConfigs } from "./config/compare.ts";
import { type FileContents, sameContents } from "./config/files.ts";
import type { Loaded } from "./config/load.ts";
import { formatProblem } from "./config/problem.ts";
import type { GatewayConfig } from "./config/schema.ts";
import type { Gateway } from "./gateway/gateway.ts";
import { inSlices } from "./slices.ts";

/** Who asked for a reload. */
export type ReloadTrigger = "file" | "signal" | "api";

export interface ReloadResult {
	readonly result: "success" | "unchanged" | "rejected";
	/** Every problem as `F:line:col: key.path: message`; also warnings of a configuration that was taken. */
	readonly problems: readonly string[];
}

/** How many tunnels there are, and how many of them a change drains. */
export interface Forecast {
	readonly connections: number;
	readonly drained: number;
}

/** What a change of the configuration did. */
export interface Changed extends Forecast {
	readonly routes: number;
	readonly upstreams: number;
	/** Names of listeners. */
	readonly opened: readonly string[];
	readonly closed: readonly string[];
}

/** A change of the configuration that can take effect, and can still be given up. */
export interface Change {
	readonly forecast: Forecast;
	commit(): Promise<Changed>;
	/** Everything stays as it was. */
	abandon(): Promise<void>;
}

export interface ReloaderParts {
	readonly gateway: Gateway;
	/** Reads the configuration anew. */
	readonly load: () => Loaded | Promise<Loaded>;
	/**
	 * Does all that can fail.
	 * @throws Error when something that the checks could read cannot be used
	 */
	readonly prepare: (config: GatewayConfig, contents: FileContents) => Promise<Change>;
	/** What of a configuration does not take effect now, in words. */
	readonly warnings: (config: GatewayConfig) => readonly string[];
	/** What else follows the configuration (probes); called after the change. */
	readonly applied: () => void;
	/** Told after each reading which files the configuration names, whether it was taken or not. */
	readonly files: (files: readonly string[]) => void;
}

interface Held {
	readonly config: GatewayConfig;
	readonly contents: FileContents;
	/** It has waited long enough. */
	due: boolean;
}

/** A configuration that would drain too many is taken when it is still the same after this; ms. */
const HOLD_MS = 5_000;
/** So many names of a kind are told. */
const MOST_NAMES = 20;

export class Reloader {
	readonly #parts: ReloaderParts;
	/** Files of the running configuration: a new certificate behind the same name is a change too. */
	#contents: FileContents;
	/** What was read and not taken yet: it would drain more than half of all connections. */
	#held: Held | undefined;
	#again: NodeJS.Timeout | undefined;
	/** What was read last was rejected. */
	#isRejected = false;
	/** One at a time, in order. */
	#last: Promise<unknown> = Promise.resolve();

	/** @param contents files of the running configuration */
	constructor(parts: ReloaderParts, contents: FileContents) {
		this.#parts = parts;
		this.#contents = contents;
	}

	/**
	 * Never rejects: what goes wrong is in the result and in the log, and the running configuration stays.
	 * @param force also takes, at once, what drains more than half of all connections
	 */
	reload(trigger: ReloadTrigger, { force = false } = {}): Promise<ReloadResult> {
		const result = this.#last.then(() => this.#reload(trigger, force));
		this.#last = result;
		return result;
	}

	/** Nothing is read any more by itself. */
	stop(): void {
		clearTimeout(this.#again);
	}

	async #reload(trigger: ReloadTrigger, force: boolean): Promise<ReloadResult> {
		const { gateway, warnings: warningsOf } = this.#parts;
		if (gateway.stopping) return { result: "rejected", problems: ["the gateway is shutting down"] };
		let problems: string[] = [];
		try {
			const { config, problems: found, files, contents } = await this.#parts.load();
			this.#parts.files(files);
			problems = found.map(formatProblem);
			if (!config) {
				this.#held = undefined;
				const error = found.find(({ severity }) => severity === "error");
				return this.#rejected(trigger, problems, error && formatProblem(error));
			}
			const comparison = await inSlices(compareConfigs(gateway.snapshot.config, config));
			if (comparison.equal && sameContents(contents, this.#contents)) {
				this.#held = undefined;
				// After a rejection it is news that the file says again what is in force.
				gateway.events.notice(this.#isRejected ? "info" : "debug", "config.unchanged", { trigger });
				this.#isRejected = false;
				return { result: "unchanged", problems };
			}
			const startedAt = gateway.clock();
			const change = await this.#parts.prepare(comparison.config, contents);
			if (!force && change.forecast.drained * 2 > change.forecast.connections) {
				const known = await this.#isHeld(comparison.config, contents);
				// One save may be noticed twice. That is nobody's second wish.
				if (!known || (trigger === "file" && !this.#held?.due)) {
					await change.abandon();
					if (!known) this.#hold(trigger, change.forecast, { config: comparison.config, contents, due: false });
					return { result: "rejected", problems: [heldMessage(change.forecast)] };
				}
			}
			this.#held = undefined;
			const warnings = [...problems, ...warningsOf(config)];
			await this.#commit(change, comparison, { trigger, warnings, startedAt });
			this.#contents = contents;
			this.#isRejected = false;
			return { result: "success", problems: warnings };
		} catch (error) {
			const { message } = error as Error;
			return this.#rejected(trigger, [...problems, message], message);
		}
	}

	/** Whether this is what waits for a second look. */
	async #isHeld(config: GatewayConfig, contents: FileContents): Promise<boolean> {
		const held = this.#held;
		if (held === undefined || !sameContents(held.contents, contents)) return false;
		return (await inSlices(compareConfigs(held.config, config))).equal;
	}

	/** A file that is only half there looks like one that drops the rest. */
	#hold(trigger: ReloadTrigger, forecast: Forecast, held: Held): void {
		const { connections, drained } = forecast;
		const message = heldMessage(forecast);
		this.#parts.gateway.events.notice("warn", "config.held", { trigger, connections, drained, message });
		this.#held = held;
		clearTimeout(this.#again);
		this.#again = setTimeout(() => {
			held.due = true;
			void this.reload(trigger);
		}, HOLD_MS);
		this.#again.unref();
	}

	async #commit(
		change: Change,
		{ routes, upstreams, endpoints }: Comparison,
		{ trigger, warnings, startedAt }: { trigger: ReloadTrigger; warnings: readonly string[]; startedAt: number },
	): Promise<void> {
		const { gateway, applied } = this.#parts;
		const changed = await change.commit();
		applied();
		gateway.events.notice("info", "config.reload", {
			trigger,
			routes: changed.routes,
			upstreams: changed.upstreams,
			routes_added: some(routes.added),
			routes_removed: some(routes.removed),
			routes_changed: some(routes.changed),
			upstreams_added: some(upstreams.added),
			upstreams_removed: some(upstreams.removed),
			upstreams_changed: some(upstreams.changed),
			endpoints_added: some(endpoints.added),
			endpoints_removed: some(endpoints.removed),
			listeners_opened: some(changed.opened),
			listeners_closed: some(changed.closed),
			connections: changed.connections,
			drained: changed.drained,
			duration_ms: Math.round(gateway.clock() - startedAt),
			warnings: some(warnings),
		});
	}

	/** @param message what keeps the change from being made: warnings may stand before it */
	#rejected(trigger: ReloadTrigger, problems: readonly string[], message: string | undefined): ReloadResult {
		const { events } = this.#parts.gateway;
		this.#isRejected = true;
		events.notice("error", "config.rejected", { trigger, message, problems: some(problems) });
		return { result: "rejected", problems };
	}
}

function heldMessage({ connections, drained }: Forecast): string {
	return (
		`it would drain ${drained} of ${connections} open connections: it is read again in ${HOLD_MS / 1000} s, and taken ` +
		"if it is still the same; clawgate reload --force takes it at once"
	);
}

/** For a log line: the first ones, and how many more there are; undefined for none. */
function some(names: readonly string[]): readonly string[] | undefined {
	if (names.length === 0) return undefined;
	if (names.length <= MOST_NAMES) return names;
	return [...names.slice(0, MOST_NAMES), `and ${names.length - MOST_NAMES} more`];
}

/** What a reload says when the number of processes changes between one and several. */
export function restartWarnings(running: number, asked: number): string[] {
	if ((running === 1) === (asked === 1)) return [];
	const now = running === 1 ? "this is a single process" : `there are ${running} worker processes`;
	return [`workers: ${asked} takes effect after a restart; until then ${now}`];
}
