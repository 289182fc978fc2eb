/** What is certain about an expression that cannot be read. */
import { characterText } from "./byte-set.ts";

/** A pattern for all texts that an unreadable one could match: their start as far as it is certain. */
export function literalStart(source: string): string {
	if (/\(\?[a-zA-Z]*x/.test(source) || mayHaveChoice(source)) return "^";
	const start = /^\^((?:[A-Za-z0-9_/-]|\\[./-])*)(.?)/.exec(source);
	if (!start) return "^";
	const [, text = "", next = ""] = start;
	const certain = /[*?{+]/.test(next) ? text.replace(/\\?.$/, "") : text;
	return `^${[...certain.replaceAll("\\", "")].map((character) => characterText(character.charCodeAt(0))).join("")}`;
}

/** Whether there is a `|` outside of groups; in doubt there is. */
function mayHaveChoice(source: string): boolean {
	if (!source.includes("|")) return false;
	if (/\[|\\Q/.test(source)) return true;
	let depth = 0;
	for (const part of source.match(/\\[\s\S]|[\s\S]/g) ?? []) {
		if (part === "(") depth++;
		else if (part === ")") depth--;
		else if (part === "|" && depth <= 0) return true;
	}
	return false;
}
