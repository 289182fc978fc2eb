/** nginx configuration text to directives. */
import { type Directive, NginxSyntaxError } from "./directive.ts";
import { type Token, tokenize } from "./tokenize.ts";

/** No configuration is nested as deeply; it keeps a hostile one from exhausting the stack. */
const DEEPEST = 50;

/**
 * Reads one file's text; includes are left as directives.
 * @param file names it in places
 * @throws NginxSyntaxError
 */
export function parse(text: string, file: string): Directive[] {
	const tokens = tokenize(text.startsWith("\uFEFF") ? text.slice(1) : text, file);
	let at = 0;

	function readBlock(depth: number, opened?: Token): Directive[] {
		if (depth > DEEPEST) throw new NginxSyntaxError({ file, line: opened?.line ?? 1 }, "blocks are nested too deeply");
		const directives: Directive[] = [];
		for (;;) {
			const token = tokens[at];
			if (token === undefined) {
				if (opened) throw new NginxSyntaxError({ file, line: opened.line }, "this block does not end: a } is missing");
				return directives;
			}
			if (token.kind === "close") {
				if (!opened) throw new NginxSyntaxError({ file, line: token.line }, "a } without a {");
				return directives;
			}
			if (token.kind !== "word") {
				throw new NginxSyntaxError({ file, line: token.line }, `a directive was expected before ${token.text}`);
			}
			directives.push(readDirective(token, depth));
		}
	}

	function readDirective(first: Token, depth: number): Directive {
		const words: string[] = [];
		for (; tokens[at]?.kind === "word"; at++) words.push((tokens[at] as Token).text);
		const end = tokens[at];
		const [name = "", ...args] = words;
		if (end === undefined || end.kind === "close") {
			throw new NginxSyntaxError({ file, line: tokens[at - 1]?.line ?? first.line }, `a ; is missing after ${name}`);
		}
		at++;
		const directive = { name, args, file, line: first.line };
		if (end.kind === "end") return { ...directive, endLine: end.line };
		if (end.kind === "raw") return { ...directive, endLine: end.line + end.text.split("\n").length - 1, block: [] };
		const block = readBlock(depth + 1, end);
		const closing = tokens[at] as Token;
		at++;
		return { ...directive, endLine: closing.line, block };
	}

	return readBlock(0);
}
