/** A configuration as the admin API may show it: with `***` in place of everything secret. */
import { isMap } from "./values-at.ts";

const HIDDEN = "***";

/** Options whose value is secret, wherever they stand. */
const SECRET_KEYS = /^(?:secret|token|password|passphrase|private_key)$/;
/** Maps from a name that an operator chose to a value: the name tells whether it is secret. */
const NAMED_VALUES = new Set(["set", "headers", "query"]);
const SECRET_NAMES = /auth|cookie|token|secret|passw|key|session|credential|signature/i;
const URL_WITH_AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * A deep copy that can be written as JSON: secrets hidden, also in URLs; `off` times as "off".
 * A secret option needs a name that {@link SECRET_KEYS} takes; a test goes through the schema to see to it.
 */
export function redactConfig(config: unknown): unknown {
	return redacted(config, undefined);
}

function redacted(value: unknown, key: string | undefined): unknown {
	if (typeof value === "number") return Number.isFinite(value) ? value : "off";
	if (typeof value === "string")
		return key !== undefined && SECRET_KEYS.test(key) && value !== "" ? HIDDEN : url(value);
	if (Array.isArray(value)) return value.map((item) => redacted(item, key));
	if (!isMap(value)) return value;
	const named = key !== undefined && NAMED_VALUES.has(key);
	return Object.fromEntries(
		Object.entries(value).map(([name, item]) => [
			name,
			named && SECRET_NAMES.test(name) ? hideTexts(item) : redacted(item, name),
		]),
	);
}

/** Hides the texts of a value and keeps its shape. */
function hideTexts(value: unknown): unknown {
	if (typeof value === "string") return HIDDEN;
	if (Array.isArray(value)) return value.map(hideTexts);
	if (!isMap(value)) return value;
	return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, hideTexts(item)]));
}

/** User, password and query of a URL can be secret. */
function url(text: string): string {
	if (!URL_WITH_AUTHORITY.test(text)) return text;
	return text.replace(/^([^/]*\/\/)[^/?#]*@/, `$1${HIDDEN}@`).replace(/\?.*$/, `?${HIDDEN}`);
}
