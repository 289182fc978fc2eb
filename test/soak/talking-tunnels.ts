/** Tunnels that talk while everything else goes wrong: each sends a numbered message a second, and comes back when it is lost. */
import { setTimeout as pause } from "node:timers/promises";
import type { ClientOptions } from "ws";
import { Talker } from "../harness/talker.ts";

/** Milliseconds between two messages of one tunnel, and how often one of them is next. */
const PACE_MS = 1_000;
const TURNS = 20;
/** Milliseconds until a client that was refused comes again, and how long a handshake may take. */
const COME_BACK_MS = 500;
const HANDSHAKE_MS = 20_000;

/** Where a tunnel goes in. */
export interface Way {
	readonly url: string;
	readonly options?: () => ClientOptions;
}

export class TalkingTunnels {
	readonly #name: string;
	readonly #ways: (slot: number, generation: number) => Way;
	readonly #slots: (Talker | undefined)[];
	readonly #timer: NodeJS.Timeout;
	#turn = 0;
	#over = false;
	/** Paths of those that were lost, in order: `/talk/NAME/SLOT/GENERATION`. */
	readonly lost: string[] = [];
	/** Handshakes that failed, by what the client was told. */
	readonly refused: Record<string, number> = {};
	opened = 0;
	sent = 0;
	echoed = 0;
	wrong = 0;

	private constructor(name: string, count: number, ways: (slot: number, generation: number) => Way) {
		this.#name = name;
		this.#ways = ways;
		this.#slots = Array.from({ length: count }, () => undefined);
		this.#timer = setInterval(() => this.#talk(), PACE_MS / TURNS);
	}

	/**
	 * Opens all of them, some at a time.
	 * @param name in their paths, so that the log tells them from others
	 */
	static async open(
		name: string,
		count: number,
		ways: (slot: number, generation: number) => Way,
	): Promise<TalkingTunnels> {
		const tunnels = new TalkingTunnels(name, count, ways);
		let next = 0;
		const opener = async (): Promise<void> => {
			while (next < count) await tunnels.#open(next++, 0);
		};
		await Promise.all(Array.from({ length: 20 }, opener));
		return tunnels;
	}

	/** How many are open. */
	get live(): number {
		return this.#slots.filter((talker) => talker?.open).length;
	}

	/** Messages of open tunnels that have not come back. */
	get outstanding(): number {
		return this.#slots.reduce((sum, talker) => sum + (talker?.open ? talker.sent - talker.echoed : 0), 0);
	}

	/** Says nothing more. */
	silence(): void {
		clearInterval(this.#timer);
	}

	/** Ends all of them, with a Close. */
	close(): void {
		this.silence();
		this.#over = true;
		for (const talker of this.#slots) {
			if (talker) this.#count(talker);
			talker?.socket.close(1000);
		}
	}

	async #open(slot: number, generation: number): Promise<void> {
		while (!this.#over) {
			const { url, options } = this.#ways(slot, generation);
			const path = `/talk/${this.#name}/${slot}/${generation}`;
			try {
				const talker = await Talker.open(`${url}${path}`, { handshakeTimeout: HANDSHAKE_MS, ...options?.() });
				this.opened++;
				this.#slots[slot] = talker;
				if (this.#over) talker.socket.close(1000);
				talker.socket.once("close", () => {
					if (this.#over) return;
					this.lost.push(path);
					this.#count(talker);
					this.#slots[slot] = undefined;
					void this.#open(slot, generation + 1);
				});
				return;
			} catch (error) {
				const { message } = error as Error;
				this.refused[message] = (this.refused[message] ?? 0) + 1;
				generation++;
				await pause(COME_BACK_MS);
			}
		}
	}

	#talk(): void {
		this.#turn = (this.#turn + 1) % TURNS;
		for (let slot = this.#turn; slot < this.#slots.length; slot += TURNS) this.#slots[slot]?.say();
	}

	#count({ sent, echoed, wrong }: Talker): void {
		this.sent += sent;
		this.echoed += echoed;
		this.wrong += wrong;
	}
}
