/** Random choices in which everything comes: a shuffled deck, drawn to its end and shuffled again. */
export class Deck {
	readonly #cards: readonly string[];
	readonly #random: () => number;
	#left: string[] = [];

	constructor(cards: readonly string[], random: () => number) {
		this.#cards = cards;
		this.#random = random;
	}

	draw(): string {
		if (this.#left.length === 0) this.#left = [...this.#cards];
		return this.#left.splice(Math.floor(this.#random() * this.#left.length), 1)[0] as string;
	}
}
