/** The memory engines of a process, one for each hub. */
import { MemoryEngine } from "./engine.ts";

export class MemoryEngines {
	readonly #engines = new Map<string, MemoryEngine>();

	/** The engine of a hub; made when it is asked for first. Names are those of the configuration. */
	of(hub: string): MemoryEngine {
		let engine = this.#engines.get(hub);
		if (!engine) {
			engine = new MemoryEngine();
			this.#engines.set(hub, engine);
		}
		return engine;
	}

	/** Forgets the engines of other hubs, with their topics. */
	retain(hubs: ReadonlySet<string>): void {
		for (const [name, engine] of this.#engines) {
			if (hubs.has(name)) continue;
			engine.close();
			this.#engines.delete(name);
		}
	}

	close(): void {
		this.retain(new Set());
	}
}
