/** The end of a gateway process: a delay for load balancers, no new connections, a drain (DESIGN §6). */
import type { GatewayConfig } from "../config/schema.ts";
import { Drain } from "./drain.ts";
import type { Gateway } from "./gateway.ts";

/** What stops accepting. */
export interface Stoppable {
	stopAccepting(): void;
}

export interface ShutDown {
	/** Resolves when no connection is left. */
	readonly done: Promise<void>;
	/** Ends every wait now and cuts off what is open. */
	cut(): void;
}

export function shutDown(
	gateway: Gateway,
	listeners: readonly Stoppable[],
	{ delay, drain: policy }: GatewayConfig["shutdown"],
): ShutDown {
	let drain: Drain | undefined;
	let isCut = false;
	let endDelay: () => void = () => undefined;

	const cutOff = (): void => {
		for (const socket of gateway.handshakes) socket.destroy();
		drain?.cut();
	};

	const run = async (): Promise<void> => {
		if (delay > 0 && !isCut)
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, delay);
				endDelay = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		gateway.stopping = true;
		for (const listener of listeners) listener.stopAccepting();
		const { connections, events } = gateway;
		drain = new Drain(connections.list(), {
			spread: policy.spread,
			timeout: policy.timeout,
			closeCode: policy.close_code,
			reason: policy.reason,
			termination: "shutdown",
			random: gateway.random,
		});
		const startedAt = gateway.clock();
		events.notice("info", "drain.start", { connections: drain.total, spread_ms: policy.spread });
		if (isCut) cutOff();
		await drain.done;
		// A handshake that was under way may have opened a tunnel meanwhile: it gets the rest of the time, cut short.
		for (const connection of connections.list()) {
			connection.tunnel?.close({ code: policy.close_code, reason: policy.reason, termination: "shutdown" });
		}
		if (isCut) for (const connection of connections.list()) connection.tunnel?.destroy("shutdown");
		await connections.empty();
		events.notice("info", "drain.end", { duration_ms: Math.round(gateway.clock() - startedAt) });
	};

	const done = run();
	return {
		done,
		cut: () => {
			isCut = true;
			endDelay();
			cutOff();
			for (const connection of gateway.connections.list()) connection.tunnel?.destroy("shutdown");
		},
	};
}
