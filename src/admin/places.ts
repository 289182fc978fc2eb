/**
 * Places for connections to the admin port. Strangers reach it too, so each client address has a share only, what is idle
 * makes room for what is new, and a few places are left for those who ask for health alone.
 */
import type { Socket } from "node:net";
import { normaliseIp } from "../options.ts";
import { clientKey } from "../protocol/client-key.ts";

export interface PlaceLimits {
	/** Connections of one client address; an IPv6 address counts as its /64. */
	readonly perAddress: number;
	readonly total: number;
	/** Beyond these, for health alone. */
	readonly spare: number;
}

const LIMITS: PlaceLimits = { perAddress: 128, total: 1024, spare: 64 };

interface Place {
	/** Undefined for a spare one. */
	readonly address: string | undefined;
	/** Requests under way. */
	requests: number;
}

export class Places {
	readonly #limits: PlaceLimits;
	readonly #places = new Map<Socket, Place>();
	/** The least recently used first. */
	readonly #byAddress = new Map<string, Set<Socket>>();
	readonly #spare = new Set<Socket>();

	constructor(limits: PlaceLimits = LIMITS) {
		this.#limits = limits;
	}

	/** Gives a new connection a place; what had it before is ended. */
	admit(socket: Socket): void {
		const address = clientKey(normaliseIp(socket.remoteAddress ?? ""));
		const own = this.#byAddress.get(address) ?? new Set();
		if (!this.#makeRoom(own)) this.#admitSpare(socket);
		else {
			this.#byAddress.set(address, own.add(socket));
			this.#places.set(socket, { address, requests: 0 });
		}
		socket.once("close", () => this.#forget(socket));
	}

	/** Whether the connection may ask for health alone. */
	isSpare(socket: Socket): boolean {
		return this.#spare.has(socket);
	}

	/** A request begins: the connection is not idle until `ended`. */
	begun(socket: Socket): void {
		const place = this.#places.get(socket);
		if (place) place.requests++;
	}

	ended(socket: Socket): void {
		const place = this.#places.get(socket);
		if (!place) return;
		place.requests--;
		const own = place.address === undefined ? undefined : this.#byAddress.get(place.address);
		// Again at the end: used most recently.
		if (own?.delete(socket)) own.add(socket);
	}

	#makeRoom(own: Set<Socket>): boolean {
		if (own.size >= this.#limits.perAddress) return this.#evictIdle(own);
		if (this.#places.size - this.#spare.size < this.#limits.total) return true;
		const largest = [...this.#byAddress.values()].reduce((most, each) => (each.size > most.size ? each : most));
		if (this.#evictIdle(largest)) return true;
		// All are busy: whoever has the most of them gives one to whoever has fewer.
		const [oldest] = largest;
		if (oldest === undefined || largest.size <= own.size + 1) return false;
		this.#evict(oldest);
		return true;
	}

	#evictIdle(sockets: Set<Socket>): boolean {
		for (const socket of sockets) {
			if (this.#places.get(socket)?.requests !== 0) continue;
			this.#evict(socket);
			return true;
		}
		return false;
	}

	#admitSpare(socket: Socket): void {
		const [oldest] = this.#spare;
		if (oldest !== undefined && this.#spare.size >= this.#limits.spare) this.#evict(oldest);
		this.#spare.add(socket);
		this.#places.set(socket, { address: undefined, requests: 0 });
	}

	#evict(socket: Socket): void {
		this.#forget(socket);
		socket.destroy();
	}

	#forget(socket: Socket): void {
		const place = this.#places.get(socket);
		if (!place) return;
		this.#places.delete(socket);
		this.#spare.delete(socket);
		if (place.address === undefined) return;
		const own = this.#byAddress.get(place.address);
		own?.delete(socket);
		if (own?.size === 0) this.#byAddress.delete(place.address);
	}
}
