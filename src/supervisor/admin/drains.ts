/** The drains of all workers: what was asked once, or follows from one event, is one drain of the gateway. */
import type { ApiDrains } from "../../admin/api/api-gateway.ts";
import { tunnelCloseCode } from "../../config/values.ts";
import type { DrainProgress, DrainRequest } from "../../gateway/drains.ts";
import type { GatewayEvents } from "../../gateway/events.ts";
import type { DrainNotice, WorkerHandle, Workers } from "../contract.ts";

/** Ended drains that are still listed. */
const MAX_ENDED = 20;
/** Drains of the same target belong together when they begin within this time, ms. */
const TOGETHER_MS = 5_000;
/** `drain.start` is written this long after the first worker's, with the sum of those that have begun, ms. */
const GATHER_MS = 250;

/** One worker's share. */
interface Share {
	readonly worker: WorkerHandle;
	/** The worker's own number for it. */
	readonly drain: number;
	readonly total: number;
	remaining: number;
	running: boolean;
}

interface Group {
	readonly id: number;
	readonly target: string;
	/** ms since the epoch. */
	readonly startedAt: number;
	readonly policy: { spread_ms: number; timeout_ms: number; close_code: number };
	readonly shares: Share[];
	/** Workers may still begin theirs; in the log it begins when that is over. */
	gathering: NodeJS.Timeout | undefined;
}

/** Follows what the workers say about their drains. */
export class GatewayDrains implements ApiDrains {
	readonly #events: GatewayEvents;
	#groups: Group[] = [];
	#lastId = 0;

	constructor(events: GatewayEvents, workers: Workers) {
		this.#events = events;
		workers.onStart((worker) => worker.channel.handle("drain", (notice) => this.#noticed(worker, notice)));
		workers.onExit((worker) => this.#left(worker));
	}

	/** Begins one that the workers are about to be asked for. Its connections are theirs. */
	start({ target, policy }: Pick<DrainRequest, "target" | "policy">): DrainProgress {
		const { spread, timeout, close_code } = policy;
		return progress(
			this.#open(target, { spread_ms: spread, timeout_ms: timeout, close_code: tunnelCloseCode(close_code) }),
		);
	}

	/** Every worker that was asked has answered. */
	begun(id: number): DrainProgress | undefined {
		const group = this.#groups.find((each) => each.id === id);
		if (group) this.#gathered(group);
		return group && progress(group);
	}

	list(): DrainProgress[] {
		return this.#groups.map(progress);
	}

	/** Takes over how far a worker says that its drains are. */
	refresh(worker: WorkerHandle, drains: readonly Pick<DrainProgress, "id" | "remaining">[]): void {
		for (const { id, remaining } of drains) {
			const share = this.#shares(worker).find(({ drain }) => drain === id);
			if (share) share.remaining = remaining;
		}
	}

	/** No drain begins any more: what the log does not have yet is written. */
	close(): void {
		for (const group of this.#groups) this.#gathered(group);
	}

	#noticed(worker: WorkerHandle, { event, drain, ...facts }: DrainNotice): void {
		if (event === "drain.start") {
			const { target, connections: total, spread_ms = 0, timeout_ms = 0, close_code = 0 } = facts;
			const group = this.#joinable(worker, target) ?? this.#open(target, { spread_ms, timeout_ms, close_code });
			group.shares.push({ worker, drain, total, remaining: total, running: true });
			return;
		}
		for (const group of this.#groups) {
			for (const share of group.shares) if (share.worker === worker && share.drain === drain) this.#ended(group, share);
		}
	}

	/** Its connections are gone with it. */
	#left(worker: WorkerHandle): void {
		for (const group of this.#groups) {
			for (const share of group.shares) if (share.worker === worker) this.#ended(group, share);
		}
	}

	#open(target: string, policy: Group["policy"]): Group {
		const group: Group = {
			id: ++this.#lastId,
			target,
			startedAt: Date.now(),
			policy,
			shares: [],
			gathering: setTimeout(() => this.#gathered(group), GATHER_MS),
		};
		this.#groups.push(group);
		return group;
	}

	/** The oldest of this target that began just now and that this worker has no share in yet. */
	#joinable(worker: WorkerHandle, wanted: string): Group | undefined {
		const since = Date.now() - TOGETHER_MS;
		return this.#groups.find(
			({ target, startedAt, shares }) =>
				target === wanted && startedAt >= since && !shares.some((share) => share.worker === worker),
		);
	}

	#gathered(group: Group): void {
		if (group.gathering === undefined) return;
		clearTimeout(group.gathering);
		group.gathering = undefined;
		const { id: drain, target, policy } = group;
		this.#events.notice("info", "drain.start", { drain, target, connections: totalOf(group), ...policy });
		this.#endIfDone(group);
	}

	#ended(group: Group, share: Share): void {
		if (!share.running) return;
		share.running = false;
		share.remaining = 0;
		if (group.gathering === undefined) this.#endIfDone(group);
	}

	#endIfDone(group: Group): void {
		if (isRunning(group)) return;
		this.#events.notice("info", "drain.end", {
			drain: group.id,
			target: group.target,
			connections: totalOf(group),
			duration_ms: Date.now() - group.startedAt,
		});
		const ended = this.#groups.filter((each) => !isRunning(each));
		const dropped = new Set(ended.slice(0, Math.max(0, ended.length - MAX_ENDED)));
		this.#groups = this.#groups.filter((each) => !dropped.has(each));
	}

	#shares(worker: WorkerHandle): Share[] {
		return this.#groups.flatMap(({ shares }) => shares.filter((share) => share.worker === worker));
	}
}

function isRunning({ gathering, shares }: Group): boolean {
	return gathering !== undefined || shares.some(({ running }) => running);
}

function totalOf({ shares }: Group): number {
	return shares.reduce((sum, { total }) => sum + total, 0);
}

function progress(group: Group): DrainProgress {
	const { id, target, startedAt, policy, shares } = group;
	return {
		id,
		target,
		state: isRunning(group) ? "running" : "done",
		total: totalOf(group),
		remaining: shares.reduce((sum, { remaining }) => sum + remaining, 0),
		started_at: new Date(startedAt).toISOString(),
		...policy,
	};
}
