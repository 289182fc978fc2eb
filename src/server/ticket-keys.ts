/**
 * What TLS session tickets are encrypted with (RFC 5077, RFC 8446 §4.6.1). A ticket saves a client that comes back the
 * costly part of the handshake, which counts most when very many come back at once.
 *
 * There is one secret; each listener derives its keys from it and from what a client had to prove there. So a listener
 * that is reloaded keeps its keys, one whose rules for clients have changed has others at once, and several processes
 * need to share only the secret.
 */
import { hkdfSync, randomBytes } from "node:crypto";

/** How long tickets are encrypted with the same keys, ms; no ticket is accepted for longer. */
export const TICKET_KEYS_LIFE_MS = 12 * 3_600_000;

const SECRET_BYTES = 32;
/** What Node takes: 16 for the name of the key, 16 for the MAC, 16 for AES-128. */
const KEY_BYTES = 48;

/** A secret for {@link TicketKeys}. */
export function newTicketSecret(): Buffer {
	return randomBytes(SECRET_BYTES);
}

/** The keys of one process. Its owner replaces the secret from time to time; see {@link rotateTicketKeys}. */
export class TicketKeys {
	#secret: Buffer;
	readonly #onChange: (() => void)[] = [];

	/** @param secret shared by all processes of the gateway; one of its own without it */
	constructor(secret: Buffer = newTicketSecret()) {
		this.#secret = secret;
	}

	/**
	 * The present keys, in the form that Node wants.
	 * @param scope what has to be the same for a ticket to be accepted
	 */
	keysFor(scope: string): Buffer {
		return Buffer.from(hkdfSync("sha256", this.#secret, "", `clawgate session tickets ${scope}`, KEY_BYTES));
	}

	/** From now on with another secret: who shows an older ticket makes a full handshake. */
	replace(secret: Buffer): void {
		this.#secret = secret;
		for (const listener of this.#onChange) listener();
	}

	onChange(listener: () => void): void {
		this.#onChange.push(listener);
	}
}

/**
 * Gives `keys` a new secret at every interval. Returns what ends it.
 * @param interval ms
 */
export function rotateTicketKeys(keys: TicketKeys, interval: number = TICKET_KEYS_LIFE_MS): () => void {
	const timer = setInterval(() => keys.replace(newTicketSecret()), interval);
	timer.unref();
	return () => clearInterval(timer);
}
