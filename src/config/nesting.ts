/** A guard before the YAML parser, which recurses: V8 ends the whole process when the stack runs out inside a RegExp. */

/** No configuration comes near it; the parser takes several times as much. */
const DEEPEST = 200;

/**
 * The offset at which a text may be nested too deeply to be parsed; undefined when it is not. An upper bound: flow
 * nesting by brackets, wherever they stand, and block nesting by the columns before a line's first word.
 */
export function tooDeepAt(text: string): number | undefined {
	let flow = 0;
	let block = 0;
	let atStart = true;
	for (let offset = 0; offset < text.length; offset++) {
		const char = text.charAt(offset);
		if (char === "\n" || char === "\r") {
			atStart = true;
			block = 0;
			continue;
		}
		if (atStart && " \t-?:".includes(char)) block++;
		else atStart = false;
		if (char === "[" || char === "{") flow++;
		else if ((char === "]" || char === "}") && flow > 0) flow--;
		if (flow > DEEPEST || block > DEEPEST) return offset;
	}
	return undefined;
}
