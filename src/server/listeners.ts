/** All listeners of the gateway, and how a reload changes them: new ones open before old ones stop accepting. */
import type { ListenerConfig } from "../config/schema.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { formatAddress } from "../protocol/listen.ts";
import { type OpenDoor, ownSocket } from "./door.ts";
import { Listener } from "./listener.ts";
import type { TicketKeys } from "./ticket-keys.ts";
import { type Certificates, loadCertificates, makeSelfSigned, type SelfSigned } from "./tls.ts";

/** A change that can still be given up. */
export interface ListenerChange {
	/** Takes effect: kept listeners get their new settings, removed ones stop accepting. Resolves with what was done. */
	commit(): Promise<{ opened: string[]; closed: string[] }>;
	/** Closes what was opened for it; everything stays as it was. */
	abandon(): void;
}

/** What the listeners of several processes of one gateway have in common. */
export interface ListenersShared {
	/** Where connections come from; without it each listener listens itself. */
	readonly openDoor?: OpenDoor | undefined;
	/** Makes certificates, the same in all processes. */
	readonly selfSigned?: SelfSigned | undefined;
}

interface Update {
	readonly listener: Listener;
	readonly config: ListenerConfig;
	readonly certificates: Certificates | undefined;
}

export class Listeners {
	readonly #gateway: Gateway;
	readonly #ticketKeys: TicketKeys;
	readonly #openDoor: OpenDoor;
	readonly #selfSigned: SelfSigned;
	/** By address. */
	#open = new Map<string, Listener>();
	/** They accept no more, but plain HTTP requests may still be under way on them. */
	readonly #closing = new Set<Listener>();

	/** @param shared what several processes have in common; see {@link ListenersShared} */
	constructor(gateway: Gateway, ticketKeys: TicketKeys, shared: ListenersShared = {}) {
		this.#gateway = gateway;
		this.#openDoor = shared.openDoor ?? ownSocket;
		this.#selfSigned = shared.selfSigned ?? makeSelfSigned;
		this.#ticketKeys = ticketKeys;
		ticketKeys.onChange(() => this.#renewTicketKeys());
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
				const key = listenerKey(config);
				const certificates = config.tls
					? await loadCertificates(
							config.tls,
							key,
							this.#ticketKeys,
							this.#selfSigned,
							this.#open.get(key)?.certificates,
						)
					: undefined;
				const listener = this.#open.get(key);
				if (!listener) opened.set(key, await this.#openOne(config, certificates));
				else if (listener.canBecome(config)) kept.set(key, { listener, config, certificates });
				else reopened.push({ listener, config, certificates });
			}
		} catch (error) {
			abandon();
			throw error;
		}
		return { abandon, commit: () => this.#commit(opened, kept, reopened) };
	}

	/** Opens the first ones; see {@link prepare}. */
	async open(configs: readonly ListenerConfig[]): Promise<void> {
		await (await this.prepare(configs)).commit();
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
			next.set(listenerKey(config), await this.#openOne(config, certificates));
		}
		this.#open = next;
		// They may have changed after the certificates were read.
		this.#renewTicketKeys();
		return { opened: [...opened.values()].map(({ name }) => name), closed };
	}

	#openOne(config: ListenerConfig, certificates: Certificates | undefined): Promise<Listener> {
		return Listener.open(config, certificates, this.#gateway, this.#openDoor, listenerKey(config));
	}

	#renewTicketKeys(): void {
		for (const listener of this.#open.values()) listener.renewTicketKeys();
	}

	#retire(listener: Listener): void {
		this.#closing.add(listener);
		listener.stopAccepting();
		void listener.drained.then(() => this.#closing.delete(listener));
	}
}

/** What makes two entries the same listener: the address; with port 0, which is another port each time, the name. */
export function listenerKey(config: ListenerConfig): string {
	return config.address.port === 0 ? `${config.name}:0` : formatAddress(config.address);
}
