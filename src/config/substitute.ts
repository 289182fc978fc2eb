/** `${NAME}` and `${NAME:-default}` in a text. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substituted {
	/** The text, or a number or boolean when one substitution was the whole plain scalar. */
	readonly value: string | number | boolean;
	/** What is wrong, in words; empty when all went well. */
	readonly mistakes: readonly string[];
}

const SUBSTITUTION = /\$\$\{|\$\{([^}]*)(\}?)/g;
const WHOLE = /^\$\{[^}]*\}$/;
const BODY = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces every substitution in `text`. As in a shell, the default also stands in for an empty variable, and `$${` is a
 * literal `${`. This runs after the YAML was read, so a value can never add keys; only when `plain` (not quoted) and
 * nothing but one substitution may the result be a number or a boolean, as if it had been written there.
 */
export function substitute(text: string, environment: Environment, plain: boolean): Substituted {
	const mistakes: string[] = [];
	const value = text.replace(SUBSTITUTION, (whole: string, body: string | undefined, end: string) => {
		if (body === undefined) return "${";
		const parts = end === "}" ? BODY.exec(body) : null;
		if (!parts) {
			mistakes.push(`expected \${NAME} or \${NAME:-default}; write $\${ for a literal \${`);
			return whole;
		}
		const [, name, fallback] = parts as unknown as [string, string, string | undefined];
		const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
		if (fallback !== undefined) return found === undefined || found === "" ? fallback : found;
		if (found !== undefined) return found;
		mistakes.push(`the environment variable ${name} is not set; set it, or write \${${name}:-default}`);
		return "";
	});
	return { value: plain && WHOLE.test(text) ? resolvePlain(value) : value, mistakes };
}

/** Numbers only in their usual form: a token such as 007 or 1e5 stays text. */
function resolvePlain(text: string): string | number | boolean {
	if (text === "true" || text === "false") return text === "true";
	return /^-?\d+(\.\d+)?$/.test(text) && String(Number(text)) === text ? Number(text) : text;
}
