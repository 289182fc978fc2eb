/**
 * The supervisor's side of `max_handshakes_per_second`: one queue and one schedule for all workers.
 *
 * Dividing the rate among the workers would need no questions, but holds badly. With a rate below a few a second each
 * worker would let one through in several seconds while another's turn is unused; what is "never more than rate × 1.1 in
 * a second" for whole handshakes cannot be divided below ten a second and worker; and places in the queue, and the times in
 * Retry-After, would be spent unevenly whenever connections are. Two questions a handshake, and only for upstreams with
 * this limit, cost less than that.
 */
import { GatewayError } from "../../errors.ts";
import { Admission } from "../../upstreams/admission.ts";
import type { WorkerHandle } from "../contract.ts";
import { machineClock } from "./clock.ts";
import type { Shed, TurnRequest } from "./contract.ts";

/** A worker that has not said for so long, in ms, when it wrote a handshake has done it now. */
const WRITTEN_MS = 2_000;

/** The admissions of all workers, by upstream: its size follows the configuration. */
export class SharedTurns {
	readonly #clock: () => number;
	readonly #random: () => number;
	readonly #admissions = new Map<string, Admission>();
	#lastWritten = 0;

	/** @param clock monotonic, ms @param random a number in [0, 1) */
	constructor(clock: () => number, random: () => number) {
		this.#clock = clock;
		this.#random = random;
	}

	/**
	 * Answers a worker.
	 * @returns to be called when its process is gone: its handshakes leave the queue
	 */
	serve({ channel }: WorkerHandle): () => void {
		const waiting = new Map<number, AbortController>();
		let gone = false;
		channel.handle("enterTurns", async (asked) => {
			const leaving = new AbortController();
			if (gone) leaving.abort();
			waiting.set(asked.ticket, leaving);
			try {
				return await this.#enter(asked, leaving.signal);
			} finally {
				waiting.delete(asked.ticket);
			}
		});
		channel.handle("leaveTurns", ({ ticket }) => waiting.get(ticket)?.abort());
		const unwritten = new Map<number, (at: number) => void>();
		channel.handle("paceTurn", async ({ upstream }) => {
			const writtenAt = await this.#admission(upstream).paceElsewhere();
			const number = ++this.#lastWritten;
			const timer = setTimeout(() => unwritten.get(number)?.(this.#clock()), WRITTEN_MS);
			const written = (at: number): void => {
				clearTimeout(timer);
				unwritten.delete(number);
				writtenAt(at);
			};
			if (gone) written(this.#clock());
			else unwritten.set(number, written);
			return number;
		});
		channel.handle("turnWritten", ({ written, at }) => {
			unwritten.get(written)?.(at - machineClock() + this.#clock());
		});
		return () => {
			gone = true;
			for (const written of [...unwritten.values()]) written(this.#clock());
			for (const leaving of waiting.values()) leaving.abort();
		};
	}

	/** Forgets the admissions of other upstreams; who waits there still has its turn. */
	retain(upstreams: ReadonlySet<string>): void {
		for (const name of this.#admissions.keys()) if (!upstreams.has(name)) this.#admissions.delete(name);
	}

	async #enter({ upstream, ticket: _, ...asked }: TurnRequest, signal: AbortSignal): Promise<Shed | undefined> {
		try {
			await this.#admission(upstream).enter({ ...asked, signal });
			return undefined;
		} catch (error) {
			if (!(error instanceof GatewayError)) throw error;
			return { message: error.message, retryAfter: error.retryAfter ?? 1 };
		}
	}

	#admission(upstream: string): Admission {
		let admission = this.#admissions.get(upstream);
		if (admission === undefined) {
			admission = new Admission({ now: this.#clock, random: this.#random });
			this.#admissions.set(upstream, admission);
		}
		return admission;
	}
}
