/** Files of names and hashes, one of them on a line: `keys_file` and `users_file`. */

export interface SecretLine {
	readonly name: string;
	readonly hash: string;
	/** From 1. */
	readonly line: number;
}

/**
 * Splits a file into its lines; empty ones and those that start with `#` are passed over.
 * @param separator between name and hash
 * @throws Error with the line's number; never with what stands in the line
 */
export function parseSecretLines(text: string, separator: RegExp, expected: string): SecretLine[] {
	const found: SecretLine[] = [];
	for (const [index, raw] of text.split(/\r?\n/).entries()) {
		const line = raw.trim();
		if (line === "" || line.startsWith("#")) continue;
		const at = separator.exec(line);
		const name = at === null ? "" : line.slice(0, at.index);
		const hash = at === null ? "" : line.slice(at.index + at[0].length);
		if (name === "" || hash === "" || /\p{C}/u.test(name)) {
			throw new Error(`line ${index + 1} is not ${expected}`);
		}
		found.push({ name, hash, line: index + 1 });
	}
	return found;
}
