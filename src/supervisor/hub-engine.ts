/**
 * The engine of hubs over workers: it lives in the supervisor, and each worker is a node of it, over the channel. What a
 * worker is told keeps its order, so a publication comes before the answer to whoever published it.
 */
import type { MemoryEngine } from "../engines/memory/engine.ts";
import type { MemoryEngines } from "../engines/memory/engines.ts";
import type { EngineListener, HubEngine, Order, TopicCounts, TopicFilter } from "../hub/engine.ts";
import { HubError } from "../hub/errors.ts";
import type { Channel } from "./channel.ts";
import type { WorkerHandle, Workers } from "./contract.ts";

/** What a worker asks of its supervisor, and what it only tells. */
export type HubEngineContract = {
	hubAsk(asked: EngineCall): EngineAnswer;
	hubTell(told: EngineCall): void;
};

/** What a supervisor tells its workers, and what it asks. */
export type HubEngineNews = {
	hubNews(news: EngineNews): void;
	hubCounted(asked: { readonly hub: string; readonly filter: TopicFilter }): ReadonlyMap<string, TopicCounts>;
};

/** A method of {@link HubEngine} and what it is given. */
interface EngineCall {
	readonly hub: string;
	readonly method: keyof HubEngine;
	readonly args: readonly unknown[];
}

/** What one of the methods gives. */
type EngineAnswer = Awaited<ReturnType<HubEngine[keyof HubEngine]>>;

/** A method of {@link EngineListener} and what it is given. */
interface EngineNews {
	readonly hub: string;
	readonly event: Exclude<keyof EngineListener, "counted">;
	readonly args: readonly unknown[];
}

/** The supervisor's end. */
type WorkerChannel = Channel<HubEngineNews, HubEngineContract>;
/** A worker's end. */
type SupervisorChannel = Channel<HubEngineContract, HubEngineNews>;

/** Methods are called by the names that a worker sent: of an engine these, and no others. */
const ASKED: ReadonlySet<string> = new Set<keyof HubEngine>([
	"subscribe",
	"publish",
	"history",
	"removeHistory",
	"presence",
	"topics",
	"countTopics",
	"order",
]);
const TOLD: ReadonlySet<string> = new Set<keyof HubEngine>(["unsubscribe", "enter", "leave"]);

/** Whoever asks about now would rather have it without one worker than late, ms. */
const COUNTED_MS = 2_000;

type Methods = Readonly<Record<string, (...args: readonly unknown[]) => EngineAnswer | Promise<EngineAnswer>>>;

/** Serves all workers: each is a node of every hub that it uses. */
export function serveHubEngines(workers: Workers, engines: MemoryEngines): void {
	const gone = new Map<WorkerHandle, () => void>();
	workers.onStart((worker) =>
		gone.set(
			worker,
			serveHubEngine(worker.channel, (hub) => engines.of(hub)),
		),
	);
	workers.onExit((worker) => {
		gone.get(worker)?.();
		gone.delete(worker);
	});
}

/** Serves one worker; returns what is to be called when its process is gone. */
function serveHubEngine(channel: WorkerChannel, engineOf: (hub: string) => MemoryEngine): () => void {
	const nodes = new Map<string, { readonly engine: MemoryEngine; readonly node: HubEngine }>();
	const nodeOf = (hub: string): Methods => {
		let known = nodes.get(hub);
		if (known === undefined) {
			const engine = engineOf(hub);
			known = { engine, node: engine.attach(listenerOf(channel, hub)) };
			nodes.set(hub, known);
		}
		return known.node as unknown as Methods;
	};
	channel.handle("hubAsk", ({ hub, method, args }) => {
		if (!ASKED.has(method)) throw new Error(`${method} is not asked`);
		return nodeOf(hub)[method]?.(...args);
	});
	channel.handle("hubTell", ({ hub, method, args }) => {
		if (TOLD.has(method)) nodeOf(hub)[method]?.(...args);
	});
	return () => {
		for (const { engine, node } of nodes.values()) engine.detach(node);
	};
}

function listenerOf(channel: WorkerChannel, hub: string): EngineListener {
	const tell =
		(event: EngineNews["event"]) =>
		(...args: readonly unknown[]): void =>
			channel.tell("hubNews", { hub, event, args });
	return {
		published: tell("published"),
		joined: tell("joined"),
		left: tell("left"),
		ordered: tell("ordered"),
		occupancy: tell("occupancy"),
		counted: async (filter) => {
			// A worker that does not answer has nobody whom it could serve now.
			const none = new Map<string, TopicCounts>();
			return await channel.call("hubCounted", { hub, filter }, COUNTED_MS).catch(() => none);
		},
	};
}

/** A hub's engine as a worker uses it. */
class RemoteEngine implements HubEngine {
	readonly #channel: SupervisorChannel;
	readonly #hub: string;

	constructor(channel: SupervisorChannel, hub: string) {
		this.#channel = channel;
		this.#hub = hub;
	}

	subscribe(topic: string): Promise<void> {
		return this.#ask("subscribe", topic);
	}

	unsubscribe(topic: string): void {
		this.#tell("unsubscribe", topic);
	}

	publish(...args: Parameters<HubEngine["publish"]>): ReturnType<HubEngine["publish"]> {
		return this.#ask("publish", ...args);
	}

	history(...args: Parameters<HubEngine["history"]>): ReturnType<HubEngine["history"]> {
		return this.#ask("history", ...args);
	}

	removeHistory(topic: string): Promise<void> {
		return this.#ask("removeHistory", topic);
	}

	enter(...args: Parameters<HubEngine["enter"]>): void {
		this.#tell("enter", ...args);
	}

	leave(...args: Parameters<HubEngine["leave"]>): void {
		this.#tell("leave", ...args);
	}

	presence(topic: string): ReturnType<HubEngine["presence"]> {
		return this.#ask("presence", topic);
	}

	topics(filter: TopicFilter = {}): ReturnType<HubEngine["topics"]> {
		return this.#ask("topics", filter);
	}

	countTopics(): Promise<number> {
		return this.#ask("countTopics");
	}

	order(order: Order): Promise<void> {
		return this.#ask("order", order);
	}

	async #ask<T>(method: keyof HubEngine, ...args: readonly unknown[]): Promise<T> {
		try {
			return (await this.#channel.call("hubAsk", { hub: this.#hub, method, args })) as T;
		} catch (error) {
			throw new HubError("ENGINE_UNAVAILABLE", undefined, { cause: error });
		}
	}

	#tell(method: keyof HubEngine, ...args: readonly unknown[]): void {
		this.#channel.tell("hubTell", { hub: this.#hub, method, args });
	}
}

/** A worker's end: gives the engines of its hubs, and tells these what happens. */
export function remoteHubEngines(channel: SupervisorChannel): (hub: string, listener: EngineListener) => HubEngine {
	const listeners = new Map<string, EngineListener>();
	channel.handle("hubNews", ({ hub, event, args }) => {
		const listener = listeners.get(hub) as unknown as Methods | undefined;
		listener?.[event]?.(...args);
	});
	channel.handle("hubCounted", async ({ hub, filter }) => (await listeners.get(hub)?.counted(filter)) ?? new Map());
	return (hub, listener) => {
		listeners.set(hub, listener);
		return new RemoteEngine(channel, hub);
	};
}
