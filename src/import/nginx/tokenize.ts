/**
 * nginx's tokens. Our own, because of the parsers on npm none keeps the place of each directive (nginx-conf keeps the line
 * of a syntax error only, and the arguments of a directive as one text; nginx-config-parser and @webantic's have no places
 * at all and are not kept up), and because the grammar is this small: see ngx_conf_read_token.
 */
import { NginxSyntaxError } from "./directive.ts";

/** A word, or one of `;`, `{`, `}`. `raw` is a body in another language (`*_by_lua_block`), which is only passed over. */
export interface Token {
	readonly kind: "word" | "end" | "open" | "close" | "raw";
	readonly text: string;
	readonly line: number;
}

const SPACE = /\s/;
const QUOTED = /\\(["'\\trn])/g;
const CONTROLS: Readonly<Record<string, string>> = { t: "\t", r: "\r", n: "\n" };
const OTHER_LANGUAGE = /_by_lua_block$/;

/**
 * Splits a text.
 * @throws NginxSyntaxError for a NUL, a quote or a foreign body that does not end, or a word that follows a quote at once
 */
export function tokenize(text: string, file: string): Token[] {
	const tokens: Token[] = [];
	let line = 1;
	let at = 0;

	const fail = (message: string): never => {
		throw new NginxSyntaxError({ file, line }, message);
	};

	const nul = text.indexOf("\0");
	if (nul >= 0) {
		line = text.slice(0, nul).split("\n").length;
		return fail("there is a NUL character here, which no configuration has: is this the right file?");
	}
	while (at < text.length) {
		const character = text.charAt(at);
		if (character === "\n") line++;
		if (SPACE.test(character)) {
			at++;
			continue;
		}
		if (character === "#") {
			const end = text.indexOf("\n", at);
			at = end < 0 ? text.length : end;
			continue;
		}
		if (character === ";" || character === "{" || character === "}") {
			const before = tokens.at(-1);
			if (character === "{" && before?.kind === "word" && OTHER_LANGUAGE.test(before.text)) {
				const end = foreignEnd(text, at) ?? fail(`the body of ${before.text} does not end: a } is missing`);
				tokens.push({ kind: "raw", text: text.slice(at + 1, end), line });
				line += text.slice(at, end).split("\n").length - 1;
				at = end + 1;
				continue;
			}
			tokens.push({ kind: character === ";" ? "end" : character === "{" ? "open" : "close", text: character, line });
			at++;
			continue;
		}
		const started = line;
		const end = character === '"' || character === "'" ? quoteEnd(text, at) : wordEnd(text, at);
		if (end === undefined) return fail(`the quote ${character} does not end`);
		const quoted = character === '"' || character === "'";
		const raw = quoted ? text.slice(at + 1, end - 1) : text.slice(at, end);
		line += raw.split("\n").length - 1;
		if (quoted && end < text.length && !/[\s;{)]/.test(text.charAt(end))) {
			fail(`after a closing quote a blank, ; or { has to follow, not ${JSON.stringify(text.charAt(end))}`);
		}
		tokens.push({
			kind: "word",
			text: raw.replace(QUOTED, (_, escaped: string) => CONTROLS[escaped] ?? escaped),
			line: started,
		});
		at = end;
	}
	return tokens;
}

/** One after the closing quote. */
function quoteEnd(text: string, start: number): number | undefined {
	for (let at = start + 1; at < text.length; at++) {
		if (text[at] === "\\") at++;
		else if (text[at] === text[start]) return at + 1;
	}
	return undefined;
}

/** Up to a blank, `;` or `{`; the brace of `${name}` belongs to the word. */
function wordEnd(text: string, start: number): number {
	let at = start;
	while (at < text.length) {
		const character = text.charAt(at);
		if (SPACE.test(character) || character === ";" || character === "{") break;
		if (character === "\\") at += 2;
		else if (character === "$" && text[at + 1] === "{") at += 2;
		else at++;
	}
	return Math.min(at, text.length);
}

/** The brace that ends a body in Lua; braces in its texts and comments are counted too, as nginx users expect pairs. */
function foreignEnd(text: string, start: number): number | undefined {
	let depth = 0;
	for (let at = start; at < text.length; at++) {
		if (text[at] === "{") depth++;
		else if (text[at] === "}" && --depth === 0) return at;
	}
	return undefined;
}
