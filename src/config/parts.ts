/** A configuration in parts, so that no thread or process has to read ten thousand routes in one go. */
import type { GatewayConfig } from "./schema.ts";

/** So many routes, or upstreams, take about a millisecond to read. */
const PART_ENTRIES = 50;

/** One part; what it has is added to the parts before it. Structured-cloneable. */
export interface ConfigPart {
	/** Everything but the entries below; in the first part only. */
	readonly rest?: Omit<GatewayConfig, "routes" | "upstreams">;
	readonly routes?: GatewayConfig["routes"];
	readonly upstreams?: GatewayConfig["upstreams"];
}

/** The parts in order. */
export function* configParts({ routes, upstreams, ...rest }: GatewayConfig): Generator<ConfigPart> {
	yield { rest };
	for (let at = 0; at < routes.length; at += PART_ENTRIES) yield { routes: routes.slice(at, at + PART_ENTRIES) };
	const entries = Object.entries(upstreams);
	for (let at = 0; at < entries.length; at += PART_ENTRIES) {
		yield { upstreams: Object.fromEntries(entries.slice(at, at + PART_ENTRIES)) };
	}
}

/** Puts parts together again. */
export class PartedConfig {
	#rest: ConfigPart["rest"];
	readonly #routes: GatewayConfig["routes"] = [];
	readonly #upstreams: GatewayConfig["upstreams"] = {};

	add({ rest, routes = [], upstreams }: ConfigPart): void {
		this.#rest ??= rest;
		this.#routes.push(...routes);
		Object.assign(this.#upstreams, upstreams);
	}

	/** @throws Error when the first part is missing */
	whole(): GatewayConfig {
		if (this.#rest === undefined) throw new Error("the configuration has not come");
		return { ...this.#rest, routes: this.#routes, upstreams: this.#upstreams };
	}
}
