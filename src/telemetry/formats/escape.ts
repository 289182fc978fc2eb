/** Makes text from strangers harmless for terminals and line readers. */

const PLAIN = /^[ -~]*$/;
// Cc: C0, DEL and C1 (0x9B starts a terminal escape); Cf: bidirectional overrides, invisible characters; Zl, Zp: line breaks.
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Writes control, format and line separator characters as `\uXXXX`, which is also what JSON does inside a string. */
export function escapeControls(text: string): string {
	return PLAIN.test(text) ? text : text.replace(HARMFUL, toEscapes);
}

function toEscapes(character: string): string {
	let escaped = "";
	for (let index = 0; index < character.length; index++) {
		escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
	}
	return escaped;
}
