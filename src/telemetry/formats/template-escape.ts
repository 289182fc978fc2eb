/** Values in a template, escaped as nginx does it: quotes, backslashes and everything but printable ASCII as `\xXX`. */

const HARMLESS = /^[ !#-[\]-~]+$/;
const HARMFUL = /[^ !#-[\]-~]/gu;

/** A value that is not there, or is empty. */
export const MISSING = "-";

/** Text of the gateway or of a token, its characters as the bytes of their UTF-8 form. */
export function escapeText(text: string | undefined): string {
	if (text === undefined || text === "") return MISSING;
	return HARMLESS.test(text) ? text : text.replace(HARMFUL, utf8Bytes);
}

/** Text of a request's head: each of its characters up to U+00FF stands for one byte that the client sent. */
export function escapeWire(text: string | undefined): string {
	if (text === undefined || text === "") return MISSING;
	return HARMLESS.test(text) ? text : text.replace(HARMFUL, wireBytes);
}

function wireBytes(character: string): string {
	const code = character.charCodeAt(0);
	return code <= 0xff ? byte(code) : utf8Bytes(character);
}

function utf8Bytes(character: string): string {
	let escaped = "";
	for (const code of Buffer.from(character)) escaped += byte(code);
	return escaped;
}

function byte(code: number): string {
	return `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
}
