/** The end of a gateway process: a delay for load balancers, no new connections, a drain (DESIGN §6). */
import type { Gateway } from "./gateway.ts";

/** What stops accepting. */
export interface Stoppable {
	stopAccepting(): void;
}

export class ShutDown {
	/** Resolves when no connection is left. */
	readonly done: Promise<void>;
	readonly #gateway: Gateway;
	#isCut = false;
	#endDelay: () => void = () => undefined;

	/** Starts at once, by the `shutdown` section of the configuration that runs. */
	constructor(gateway: Gateway, listeners: Stoppable) {
		this.#gateway = gateway;
		this.done = this.#run(listeners);
	}

	/** Ends every wait now and cuts off what is open. */
	cut(): void {
		this.#isCut = true;
		this.#endDelay();
		this.#cutOff();
	}

	async #run(listeners: Stoppable): Promise<void> {
		const { connections, drains, snapshot } = this.#gateway;
		const { delay, drain: policy } = snapshot.config.shutdown;
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
		await drain.done;
		// A handshake that was under way may have opened a tunnel meanwhile: it is told at once.
		for (const connection of connections.list()) {
			connection.tunnel?.close({ code: policy.close_code, reason: policy.reason, termination: "shutdown" });
		}
		if (this.#isCut) this.#cutOff();
		await connections.empty();
	}

	#cutOff(): void {
		const { handshakes, drains, connections } = this.#gateway;
		for (const socket of handshakes) socket.destroy();
		drains.cut();
		for (const connection of connections.list()) connection.tunnel?.destroy("shutdown");
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
