/** A route's `match` in one line. */

/** `host chat.example.com, path /ws*`; "everything" for an empty one. */
export function matchText(match: Readonly<Record<string, unknown>>): string {
	const parts = Object.entries(match).map(([key, value]) => part(key, value));
	return parts.length === 0 ? "everything" : parts.join(", ");
}

function part(key: string, value: unknown): string {
	const values = Array.isArray(value) ? value : [value];
	if (key === "path_prefix") return values.map((prefix) => `${String(prefix).replace(/\/$/, "")}/…`).join(" or ");
	if (key === "path") return values.map(String).join(" or ");
	if (key === "path_regex") return values.map((pattern) => `path ~ ${text(pattern)}`).join(" or ");
	if (typeof value === "object" && value !== null && !Array.isArray(value)) {
		return Object.entries(value)
			.map(([name, wanted]) => `${key} ${name}: ${text(wanted)}`)
			.join(", ");
	}
	return `${key.replaceAll("_", " ")} ${values.map(text).join(" or ")}`;
}

function text(value: unknown): string {
	if (Array.isArray(value)) return value.map(text).join(" or ");
	return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
