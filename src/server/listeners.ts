/** All listeners of the gateway, and how a reload changes them: new ones open before old ones stop accepting. */
import type { ListenerConfig } from "../config/schema.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { formatAddress } from "../protocol/listen.ts";
import { Listener } from "./listener.ts";
import { type Certificates, loadCertificates } from "./tls.ts";

/** A change that can still be given up. */
export interface ListenerChange {
	/** Takes effect: kept listeners get their new settings, removed ones stop accepting. Resolves with what was done. */
	commit(): Promise<{ opened: string[]; closed: string[] }>;
	/** Closes what was opened for it; everything stays as it was. */
	abandon(): void;
}

interface Update {
	readonly listener: Listener;
	readonly config: ListenerConfig;
	readonly certificates: Certificates | undefined;
}

export class Listeners {
	readonly #gateway: Gateway;
	/** By address. */
	#open = new Map<string, Listener>();
	/** They accept no more, but plain HTTP requests may still be under way on them. */
	readonly #closing = new Set<Listener>();

	constructor(gateway: Gateway) {
		this.#gateway = gateway;
	}

	list(): Iterable<Listener> {
		return this.#open.values();
	}

	/**
	 * Opens what is new and reads every certificate, without touching what is open.
	 * @throws ListenError when an address cannot be had; Error when a certificate cannot be used
	 */
	async prepare(configs: readonly ListenerConfig[]): Promise<ListenerChange> {
		const opened = new Map<string, Listener>();
		const kept = new Map<string, Update>();
		const reopened: Update[] = [];
		const abandon = (): void => {
			for (const listener of opened.values()) listener.destroy();
		};
		try {
			for (const config of configs) {
				const key = keyOf(config, kept.size + opened.size + reopened.length);
				const certificates = config.tls
					? await loadCertificates(config.tls, this.#open.get(key)?.certificates)
					: undefined;
				const listener = this.#open.get(key);
				if (!listener) opened.set(key, await Listener.open(config, certificates, this.#gateway));
				else if (listener.canBecome(config)) kept.set(key, { listener, config, certificates });
				else reopened.push({ listener, config, certificates });
			}
		} catch (error) {
			abandon();
			throw error;
		}
		return { abandon, commit: () => this.#commit(opened, kept, reopened) };
	}

	/** Stops accepting everywhere. */
	stopAccepting(): void {
		for (const listener of this.#open.values()) listener.stopAccepting();
	}

	/** Closes idle connections; returns how many plain HTTP answers are under way. */
	busy(): number {
		return [...this.#open.values(), ...this.#closing].reduce((sum, listener) => sum + listener.busy(), 0);
	}

	/** Ends plain HTTP connections everywhere. */
	destroy(): void {
		for (const listener of [...this.#open.values(), ...this.#closing]) listener.destroy();
	}

	async #commit(
		opened: ReadonlyMap<string, Listener>,
		kept: ReadonlyMap<string, Update>,
		reopened: readonly Update[],
	): Promise<{ opened: string[]; closed: string[] }> {
		const next = new Map(opened);
		for (const [key, { listener, config, certificates }] of kept) {
			listener.update(config, certificates);
			next.set(key, listener);
		}
		const closed: string[] = [];
		const reopening = new Set(reopened.map(({ listener }) => listener));
		for (const [key, listener] of this.#open) {
			if (next.get(key) === listener) continue;
			this.#retire(listener);
			if (!reopening.has(listener)) closed.push(listener.name);
		}
		// The address has to be free first: these settings cannot change on an open socket.
		for (const { config, certificates } of reopened) {
			next.set(keyOf(config, 0), await Listener.open(config, certificates, this.#gateway));
		}
		this.#open = next;
		return { opened: [...opened.values()].map(({ name }) => name), closed };
	}

	#retire(listener: Listener): void {
		this.#closing.add(listener);
		listener.stopAccepting();
		void listener.drained.then(() => this.#closing.delete(listener));
	}
}

/** What makes two entries the same listener: the address; with port 0, which is another port each time, the name. */
function keyOf(config: ListenerConfig, index: number): string {
	return config.address.port === 0 ? `${config.name || index}:0` : formatAddress(config.address);
}
