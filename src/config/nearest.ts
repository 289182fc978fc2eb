/** "Did you mean": the known word that is closest to a mistyped one. */

/** The closest of `known`, when it is close enough to be a slip; undefined otherwise. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
	// A very long word is no slip of a known one, and the distance costs its length times theirs.
	if (word.length > 64) return undefined;
	let best: string | undefined;
	let bestDistance = Number.POSITIVE_INFINITY;
	for (const candidate of known) {
		const reach = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
		const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
		if (distance <= reach && distance < bestDistance) {
			best = candidate;
			bestDistance = distance;
		}
	}
	return best;
}

/** `, did you mean "x"?`, or nothing when no known word is close. */
export function didYouMean(word: string, known: Iterable<string>): string {
	const closest = nearest(word, known);
	return closest === undefined ? "" : `, did you mean "${closest}"?`;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
	let before: number[] = [];
	let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
	for (let i = 1; i <= a.length; i++) {
		const row = [i];
		for (let j = 1; j <= b.length; j++) {
			const same = a[i - 1] === b[j - 1];
			let cost = Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
				cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
			row.push(cost);
		}
		before = previous;
		previous = row;
	}
	return previous[b.length] ?? 0;
}
