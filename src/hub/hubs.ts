/** The hubs of one process. They outlive changes of the configuration: their rules change under live subscribers. */
import { isDeepStrictEqual } from "node:util";
import { EventSender } from "./backend/events.ts";
import type { PostAgents } from "./backend/post.ts";
import { HttpQuestions, type QuestionKind } from "./backend/questions.ts";
import type { EngineListener, HubEngine } from "./engine.ts";
import { Hub } from "./hub.ts";
import type { HubConfig } from "./options.ts";
import type { Questions } from "./protocol.ts";

export interface HubsParts {
	/** Where a hub's topics live. */
	readonly engine: (hub: string, listener: EngineListener) => HubEngine;
	/** Connections to backends. */
	readonly agents: PostAgents;
	/** A coarse clock, ms. */
	readonly clock: { readonly now: number };
	readonly notice: (level: "info" | "warn", event: string, fields: Record<string, unknown>) => void;
	/** How long something took, in seconds. */
	readonly delivered?: (hub: string, seconds: number) => void;
	readonly asked?: (hub: string, kind: QuestionKind, result: string, seconds: number) => void;
	readonly told?: (hub: string, result: "sent" | "dropped", count: number) => void;
}

/** A hub and its backend. */
export interface RunningHub {
	readonly hub: Hub;
	readonly questions: Questions | undefined;
	readonly events: EventSender | undefined;
}

interface Entry extends RunningHub {
	readonly config: HubConfig;
	readonly hub: Hub;
	readonly questions: HttpQuestions | undefined;
	readonly events: EventSender | undefined;
}

export class Hubs {
	readonly #parts: HubsParts;
	readonly #entries = new Map<string, Entry>();

	constructor(parts: HubsParts) {
		this.#parts = parts;
	}

	get(name: string): RunningHub | undefined {
		return this.#entries.get(name);
	}

	/** By name. */
	all(): ReadonlyMap<string, Hub> {
		return new Map([...this.#entries].map(([name, { hub }]) => [name, hub]));
	}

	/** Brings the hubs to a configuration. Connections of a hub that is gone are whoever's routes say. */
	configure(config: Readonly<Record<string, HubConfig>>): void {
		for (const [name, entry] of this.#entries) {
			if (config[name] !== undefined) continue;
			this.#entries.delete(name);
			this.#close(entry);
		}
		for (const [name, next] of Object.entries(config)) {
			const known = this.#entries.get(name);
			if (known && isDeepStrictEqual(known.config, next)) continue;
			this.#entries.set(name, known ? this.#changed(name, known, next) : this.#made(name, next));
		}
	}

	/** Sends what backends have not been told yet, for a short time. */
	async close(): Promise<void> {
		const entries = [...this.#entries.values()];
		this.#entries.clear();
		await Promise.all(
			entries.map(async ({ questions, events }) => {
				questions?.close();
				await events?.close();
			}),
		);
	}

	#made(name: string, config: HubConfig): Entry {
		const { engine, clock, delivered } = this.#parts;
		const hub = new Hub(name, config, clock, (seconds) => delivered?.(name, seconds));
		hub.connect(engine(name, hub));
		const events = this.#events(name, config);
		hub.events = events;
		return { hub, config, questions: this.#questions(name, config), events };
	}

	#changed(name: string, { hub, questions, events, config: old }: Entry, config: HubConfig): Entry {
		hub.reconfigure(config);
		const sameBackend = isDeepStrictEqual(old.backend, config.backend);
		const sameEvents = isDeepStrictEqual(old.events, config.events);
		if (!sameBackend) questions?.close();
		if (!sameEvents) void events?.close();
		const told = sameEvents ? events : this.#events(name, config);
		hub.events = told;
		return { hub, config, questions: sameBackend ? questions : this.#questions(name, config), events: told };
	}

	#questions(name: string, { backend }: HubConfig): HttpQuestions | undefined {
		if (backend === undefined) return undefined;
		const { agents, notice, asked } = this.#parts;
		return new HttpQuestions(backend, {
			agents,
			asked: (kind, result, seconds) => asked?.(name, kind, result, seconds),
			changed: (open, message) => {
				if (open) notice("warn", "hub.backend_down", { hub: name, message });
				else notice("info", "hub.backend_up", { hub: name });
			},
		});
	}

	#events(name: string, { events }: HubConfig): EventSender | undefined {
		if (events === undefined) return undefined;
		const { agents, notice, told } = this.#parts;
		return new EventSender(events, {
			hub: name,
			agents,
			counted: (result, count) => told?.(name, result, count),
			state: (problem) => {
				if (problem === undefined) notice("info", "hub.events_up", { hub: name });
				else notice("warn", "hub.events_down", { hub: name, message: problem });
			},
		});
	}

	#close({ questions, events }: Entry): void {
		questions?.close();
		void events?.close();
	}
}
