/** Claims of a verified token (RFC 7519 §4). */

export type Claims = Readonly<Record<string, unknown>>;

/** A claim by its name; `a.b` is a claim inside another, unless there is one of that whole name. */
export function claimAt(claims: Claims, name: string): unknown {
	if (Object.hasOwn(claims, name)) return claims[name];
	let value: unknown = claims;
	for (const step of name.split(".")) {
		if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
		value = (value as Record<string, unknown>)[step];
	}
	return value;
}
