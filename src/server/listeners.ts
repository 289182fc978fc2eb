/**
 * All listeners of the gateway, and how a reload changes them. An address that is in the old and in the new configuration
 * stays open: only the server behind it changes. New addresses open before anything changes, so that a change that was
 * prepared cannot fail any more.
 */
import { chmod } from "node:fs/promises";
import { addressesClash } from "../config/address.ts";
import { expiryTrouble } from "../config/certificate-expiry.ts";
import type { ListenerConfig } from "../config/schema.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { formatAddress } from "../protocol/listen.ts";
import { type OpenDoor, ownSocket, SOCKET_MODE } from "./door.ts";
import { Listener } from "./listener.ts";
import type { TicketKeys } from "./ticket-keys.ts";
import { type Certificates, loadCertificates, makeSelfSigned, type SelfSigned } from "./tls.ts";

/** How often it is looked for certificates that expire; ms. */
const EXPIRY_LOOK_MS = 12 * 3_600_000;

/** A change that can still be given up. */
export interface ListenerChange {
	/** Takes effect: kept listeners get their new settings, removed ones stop accepting. Gives the names of what was done. */
	commit(): { opened: string[]; closed: string[] };
	/** Closes what was opened for it; everything stays as it was. */
	abandon(): Promise<void>;
}

/** What the listeners of several processes of one gateway have in common. */
export interface ListenersShared {
	/** Where connections come from; without it each listener listens itself. */
	readonly openDoor?: OpenDoor | undefined;
	/** Another process listens: here no address can be in the way of another. */
	readonly handedOver?: boolean | undefined;
	/** Makes certificates, the same in all processes. */
	readonly selfSigned?: SelfSigned | undefined;
}

/** An entry of the new configuration. */
interface Planned {
	readonly key: string;
	readonly config: ListenerConfig;
	readonly certificates: Certificates | undefined;
	/** What serves at this address now. */
	readonly present: Listener | undefined;
	/** What will serve there: the present one, or another when its settings cannot change. */
	readonly listener: Listener;
}

export class Listeners {
	readonly #gateway: Gateway;
	readonly #ticketKeys: TicketKeys;
	readonly #openDoor: OpenDoor;
	readonly #handedOver: boolean;
	readonly #selfSigned: SelfSigned;
	#expiryLook: NodeJS.Timeout | undefined;
	/** By address. */
	#open = new Map<string, Listener>();
	/** They accept no more, but plain HTTP requests may still be under way on them. */
	readonly #closing = new Set<Listener>();

	/** @param shared what several processes have in common; see {@link ListenersShared} */
	constructor(gateway: Gateway, ticketKeys: TicketKeys, shared: ListenersShared = {}) {
		this.#gateway = gateway;
		this.#openDoor = shared.openDoor ?? ownSocket;
		this.#handedOver = shared.handedOver ?? false;
		this.#selfSigned = shared.selfSigned ?? makeSelfSigned;
		this.#ticketKeys = ticketKeys;
		if (!this.#handedOver) this.#expiryLook = setInterval(() => this.#warnOfExpiry(), EXPIRY_LOOK_MS).unref();
		ticketKeys.onChange(() => this.#renewTicketKeys());
	}

	list(): Iterable<Listener> {
		return this.#open.values();
	}

	/**
	 * Opens what is new and reads every certificate, without touching what is open. One exception: an address that cannot be
	 * open beside one that goes (`:443` and `127.0.0.1:443`) takes its place at once, and gives it back when the change is
	 * given up.
	 * @param read gives a file's content
	 * @throws ListenError when an address cannot be had; Error when a certificate cannot be used
	 */
	async prepare(configs: readonly ListenerConfig[], read: (path: string) => Buffer): Promise<ListenerChange> {
		const planned: Planned[] = [];
		for (const config of configs) planned.push(await this.#plan(config, read));
		const keys = new Set(planned.map(({ key }) => key));
		const opening = planned.filter(({ present }) => present === undefined);
		const inTheWay = [...(this.#handedOver ? [] : this.#open)]
			.filter(([key]) => !keys.has(key))
			.filter(([, { config }]) => opening.some((one) => addressesClash(one.config.address, config.address)));
		const clashes = ({ config }: Planned): boolean =>
			inTheWay.some(([, listener]) => addressesClash(config.address, listener.config.address));
		const opened: Listener[] = [];
		const abandon = async (): Promise<void> => {
			for (const listener of opened) listener.destroy();
			for (const [key, listener] of inTheWay) if (!listener.open) await this.#reopen(key, listener);
		};
		try {
			// Those that need no other to go come first: whatever fails among them leaves all doors alone.
			for (const one of [...opening.filter((each) => !clashes(each)), ...opening.filter(clashes)]) {
				if (clashes(one)) for (const [, listener] of inTheWay) listener.closeDoor();
				one.listener.serveAt(await this.#openDoor(one.config, one.key));
				opened.push(one.listener);
			}
		} catch (error) {
			await abandon();
			throw error;
		}
		return { abandon, commit: () => this.#commit(planned) };
	}

	/** Opens the first ones; see {@link prepare}. */
	async open(configs: readonly ListenerConfig[], read: (path: string) => Buffer): Promise<void> {
		(await this.prepare(configs, read)).commit();
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
		clearInterval(this.#expiryLook);
		for (const listener of [...this.#open.values(), ...this.#closing]) listener.destroy();
	}

	async #plan(config: ListenerConfig, read: (path: string) => Buffer): Promise<Planned> {
		const key = listenerKey(config);
		const known = this.#open.get(key);
		// One whose address was lost has to be opened anew.
		const present = known?.open ? known : undefined;
		const parts = { address: key, read, keys: this.#ticketKeys, selfSigned: this.#selfSigned };
		const certificates =
			config.tls && (await loadCertificates(config.tls, config.client_crl, parts, known?.certificates));
		const listener = present?.canBecome(config) ? present : new Listener(config, certificates, this.#gateway);
		return { key, config, certificates, present, listener };
	}

	#commit(planned: readonly Planned[]): { opened: string[]; closed: string[] } {
		const next = new Map<string, Listener>();
		for (const { key, config, certificates, present, listener } of planned) {
			const mode = present?.config.socket_mode;
			if (listener === present) listener.update(config, certificates);
			else present?.handOver(listener);
			if (present && mode !== config.socket_mode) this.#changeMode(config);
			next.set(key, listener);
		}
		const closed: string[] = [];
		for (const [key, listener] of this.#open) {
			if (next.get(key) === listener) continue;
			this.#retire(listener);
			if (!next.has(key)) closed.push(listener.name);
		}
		this.#open = next;
		// They may have changed after the certificates were read.
		this.#renewTicketKeys();
		if (!this.#handedOver) this.#warnOfExpiry();
		return { opened: planned.filter(({ present }) => !present).map(({ config }) => config.name), closed };
	}

	/** The files may be years old, and the process may run for years. */
	#warnOfExpiry(): void {
		for (const { name: listener, certificates } of this.#open.values()) {
			for (const { names, expiresAt } of certificates?.served ?? []) {
				const message = expiryTrouble(0, expiresAt, Date.now());
				if (message === undefined) continue;
				const facts = { listener, server_name: names[0], expires_at: new Date(expiresAt).toISOString(), message };
				this.#gateway.events.notice("warn", "certificate.expiring", facts);
			}
		}
	}

	#changeMode({ name, address, socket_mode }: ListenerConfig): void {
		if (this.#handedOver || address.path === undefined) return;
		chmod(address.path, socket_mode ?? SOCKET_MODE).catch(({ message }: Error) => {
			this.#gateway.events.notice("error", "internal.error", { message, where: `socket_mode of listener ${name}` });
		});
	}

	/** Gives a listener back what another one had taken for a change that was given up. */
	async #reopen(key: string, listener: Listener): Promise<void> {
		try {
			listener.serveAt(await this.#openDoor(listener.config, key));
		} catch (error) {
			// Another process was faster. The next reload tries again.
			const { message } = error as Error;
			this.#gateway.events.notice("error", "internal.error", { message, where: `listener ${listener.name}` });
		}
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
