/** The end of a gateway process: a delay for load balancers, no new connections, a drain. */
import type { Gateway } from "./gateway.ts";

/** What stops accepting. */
export interface Stoppable {
	stopAccepting(): void;
	/** Plain HTTP answers that are under way; idle connections are closed by asking. */
	busy(): number;
}

/** Pause between two looks whether everything has ended. */
const LOOK_MS = 20;
/** After the cut, for the last lines. */
const LAST_MS = 1_000;

export class ShutDown {
	/** Resolves when no connection is left. */
	readonly done: Promise<void>;
	readonly #gateway: Gateway;
	#isCut = false;
	#endDelay: () => void = () => undefined;

	/**
	 * Starts at once, by the `shutdown` section of the configuration that runs.
	 * @param delay ms, instead of `shutdown.delay`
	 */
	constructor(gateway: Gateway, listeners: Stoppable, delay = gateway.snapshot.config.shutdown.delay) {
		this.#gateway = gateway;
		this.done = this.#run(listeners, delay);
	}

	/** Ends every wait now and cuts off what is open. */
	cut(): void {
		this.#isCut = true;
		this.#endDelay();
		this.#cutOff();
	}

	async #run(listeners: Stoppable, delay: number): Promise<void> {
		const { connections, drains, snapshot } = this.#gateway;
		const { drain: policy } = snapshot.config.shutdown;
		await this.#delay(delay);
		this.#gateway.stopping = true;
		listeners.stopAccepting();
		const drain = drains.start({
			target: "gateway",
			connections: connections.list(),
			policy,
			termination: "shutdown",
			takesOver: true,
		});
		if (this.#isCut) this.#cutOff();
		const deadline = this.#gateway.clock() + policy.timeout;
		await drain.done;
		// Handshakes under way are refused at their end, plain HTTP answers may finish.
		const busy = () => this.#gateway.handshakes.size + connections.size + listeners.busy() > 0;
		while (busy() && !this.#isCut && this.#gateway.clock() < deadline) {
			await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
		}
		this.#cutOff();
		// What was cut says so at once; whatever does not must not keep the process.
		let timer: NodeJS.Timeout | undefined;
		const limit = new Promise<void>((resolve) => {
			timer = setTimeout(resolve, LAST_MS);
		});
		await Promise.race([connections.empty(), limit]);
		clearTimeout(timer);
	}

	#cutOff(): void {
		const { handshakes, drains, connections } = this.#gateway;
		for (const socket of handshakes) socket.destroy();
		drains.cut();
		for (const connection of connections.list()) connection.destroy("shutdown");
	}

	async #delay(milliseconds: number): Promise<void> {
		if (milliseconds === 0 || this.#isCut) return;
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, milliseconds);
			this.#endDelay = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}
}
