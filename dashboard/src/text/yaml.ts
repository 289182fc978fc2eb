/** A configuration that came as JSON, printed as the YAML that an operator knows. */

/** Text that YAML would read as something else, or not as one plain word. */
const NEEDS_QUOTES =
	/^$|^[\s\-?:,[\]{}#&*!|>'"%@`=]|[,[\]{}\p{C}\p{Zl}\p{Zp}]|:\s|\s#|\s$|:$|^(?:true|false|null|yes|no|on|off|~|[-+.\d][\w.+:-]*)$/iu;

/** Short lists of plain values stand in one line. */
const MAX_INLINE = 80;

export function toYaml(value: unknown, indent = ""): string {
	if (isMap(value)) return mapLines(value, indent).join("\n");
	if (Array.isArray(value)) return listLines(value, indent).join("\n");
	return scalar(value);
}

function mapLines(map: Readonly<Record<string, unknown>>, indent: string): string[] {
	return Object.entries(map)
		.filter(([, value]) => value !== undefined)
		.map(([key, value]) => `${indent}${scalar(key)}:${nested(value, `${indent}  `)}`);
}

function listLines(list: readonly unknown[], indent: string): string[] {
	return list.map((item) => {
		if (!isMap(item) || Object.keys(item).length === 0) return `${indent}-${nested(item, `${indent}  `)}`;
		const lines = mapLines(item, `${indent}  `).join("\n");
		return `${indent}- ${lines.slice(indent.length + 2)}`;
	});
}

/** What follows a colon or a dash: on the same line, or below it. */
function nested(value: unknown, indent: string): string {
	if (Array.isArray(value)) {
		const inline = value.every((item) => !isMap(item) && !Array.isArray(item)) && `[${value.map(scalar).join(", ")}]`;
		if (inline !== false && inline.length <= MAX_INLINE) return ` ${inline}`;
		return `\n${listLines(value, indent).join("\n")}`;
	}
	if (!isMap(value)) return ` ${scalar(value)}`;
	return Object.keys(value).length === 0 ? " {}" : `\n${mapLines(value, indent).join("\n")}`;
}

function scalar(value: unknown): string {
	if (typeof value !== "string") return String(value);
	return NEEDS_QUOTES.test(value) ? JSON.stringify(value) : value;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
