/** Foreign text and numbers, made fit to be shown. */

/** Without control characters, which a terminal would obey, and not longer than `limit` characters. */
export function printable(text: string, limit = 160): string {
	const clean = text.replace(/\p{C}+/gu, " ").trim();
	return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}

/** `850 ms`, `2.0 s`, `90 s`. */
export function duration(milliseconds: number): string {
	if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
	const seconds = milliseconds / 1_000;
	return `${seconds < 20 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

/** `1 day`, `3 days`. */
export function counted(number: number, word: string, plural = `${word}s`): string {
	return `${number} ${number === 1 ? word : plural}`;
}

/** Values of a header in a raw list (name, value, name, value …), by lower-case name. */
export function headerValues(raw: readonly string[], name: string): string[] {
	const values: string[] = [];
	for (let i = 0; i < raw.length; i += 2) {
		if ((raw[i] as string).toLowerCase() === name) values.push(raw[i + 1] as string);
	}
	return values;
}
