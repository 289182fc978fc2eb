/**
 * Failures of an endpoint in a row. What a client can bring about by what it asks for (a 5xx, silence, a broken answer, a
 * tunnel that is dropped) counts once for each client address, and means nothing while only one address meets it: nobody
 * can take an endpoint away from all others. A connection that cannot be made is nobody's request: each counts.
 */

/** No threshold is higher: more clients need not be told apart. */
const MOST_CLIENTS = 1_000;

export class FailureRow {
	#unprovoked = 0;
	readonly #clients = new Set<string>();

	/** How many count. */
	get count(): number {
		return this.#unprovoked + this.#clients.size;
	}

	/** Whether they cannot all be one client's doing. */
	get conclusive(): boolean {
		return this.#unprovoked > 0 || this.#clients.size > 1;
	}

	/** @param client whose request failed; undefined when no request can have caused it */
	add(client: string | undefined): void {
		if (client === undefined) this.#unprovoked++;
		else if (this.#clients.size < MOST_CLIENTS) this.#clients.add(client);
	}

	clear(): void {
		this.#unprovoked = 0;
		this.#clients.clear();
	}
}
