/** Whether a health check asks for what servers have: probes that nobody has ever answered well may be what is wrong. */

/** What one probe showed. `refused` is a 4xx status: the server lives, and refuses the probe itself. */
export type ProbeAnswer = "good" | "refused" | "other" | "none";

/** @param status the probe's answer when it is not a good one; undefined: there was none */
export function badAnswer(status: number | undefined): ProbeAnswer {
	if (status === undefined) return "none";
	return status >= 400 && status < 500 ? "refused" : "other";
}

/**
 * The probes of one upstream, since it has its present health check.
 *
 * Until one of them has succeeded, a check that every endpoint which answers at all answers with a 4xx status is mistaken:
 * it names another host or path than the servers have, or lacks credentials. From then on such an answer shows that a
 * server lives. Endpoints that do not answer say nothing about that; they are down as with any check.
 */
export class ProbeTrial {
	#proven = false;
	#mistaken = false;
	readonly #answers = new Map<string, ProbeAnswer>();

	/** Whether the last word was that the probe is mistaken. */
	get mistaken(): boolean {
		return this.#mistaken;
	}

	/**
	 * Takes one answer.
	 * @param endpoint who gave it
	 * @param all whoever is probed now
	 * @returns what it counts as; undefined: nothing yet, since others have not been heard
	 */
	take(endpoint: string, answer: ProbeAnswer, all: Iterable<string>): "good" | "failed" | "alive" | undefined {
		if (answer === "good") {
			this.#proven = true;
			this.#mistaken = false;
			this.#answers.clear();
			return "good";
		}
		if (this.#proven) return "failed";
		this.#answers.set(endpoint, answer);
		if (answer !== "refused") return "failed";
		if (!this.#mistaken) {
			const heard = [...all].map((each) => this.#answers.get(each));
			if (heard.includes("other")) return "failed";
			if (heard.includes(undefined)) return undefined;
			this.#mistaken = true;
		}
		return "alive";
	}
}
