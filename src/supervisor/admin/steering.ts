/** What operators change while the gateway runs: it is told to every worker, and to one that starts before it listens. */
import type { RevocationStore, RevocationTarget, RevokedTokens } from "../../admin/api/revocations.ts";
import type { Gateway } from "../../gateway/gateway.ts";
import type { Steering, WorkerHandle, Workers } from "../contract.ts";
import { askEach, CHANGE_MS } from "./ask.ts";

const DAY_MS = 24 * 3_600_000;

/** Its overrides and revocations are those of the supervisor's own gateway. */
export class GatewaySteering {
	readonly #gateway: Gateway;
	/** Those that were told how things are: they have to be told what changes, also before they are ready. */
	readonly #told = new Set<WorkerHandle>();

	/** @param following whether somebody reads `GET events` */
	constructor(gateway: Gateway, workers: Workers, following: () => boolean) {
		this.#gateway = gateway;
		workers.onStart((worker) =>
			worker.channel.handle("steering", () => {
				this.#told.add(worker);
				return { ...this.#now(), following: following() };
			}),
		);
		workers.onExit((worker) => this.#told.delete(worker));
	}

	/** Those that can be asked, and have to be told of a change; also when they are about to serve, or to end. */
	readonly workers = (): readonly WorkerHandle[] => [...this.#told].filter(({ channel }) => channel.open);

	readonly revocations: RevocationStore = {
		revoke: (target) => this.#revoke(target),
		list: () => this.#gateway.policies.revocations.list(),
	};

	async #revoke(target: RevocationTarget & { readonly until?: number | undefined }): Promise<RevokedTokens> {
		const { revocations, now } = this.#gateway.policies;
		const name = { sub: target.sub, jti: target.jti };
		const least = target.until ?? now() + DAY_MS;
		// Before anything else: a worker that starts now gets it with the others.
		revocations.add(name, least);
		const { parts } = await askEach(this.workers(), ({ channel }) => channel.call("revoke", target, CHANGE_MS));
		// The last of the tokens may belong to a connection of any worker.
		const until = Math.max(least, ...parts.map(({ body }) => body.until));
		revocations.add(name, until);
		const answered = new Map(parts.map(({ worker, body }) => [worker, body]));
		const shorter = this.workers().filter((worker) => answered.get(worker)?.until !== until);
		const later = await askEach(shorter, ({ channel }) => channel.call("revoke", { ...name, until }, CHANGE_MS));
		const closings = [...parts, ...later.parts.filter(({ worker }) => !answered.has(worker))];
		return { closed: closings.reduce((sum, { body }) => sum + body.closed, 0), until, ...later.missing };
	}

	#now(): Omit<Steering, "following"> {
		const { snapshot, policies } = this.#gateway;
		const endpoints = [...snapshot.upstreams.values()].flatMap((upstream) =>
			upstream.endpoints.flatMap(({ id, state: { override } }) =>
				override ? [{ upstream: upstream.name, endpoint: id, override }] : [],
			),
		);
		return { endpoints, revocations: [...policies.revocations.list()] };
	}
}
