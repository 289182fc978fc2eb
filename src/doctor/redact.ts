/** Keeps what the operator entrusts to the doctor (header values, passwords, query strings) out of everything it says. */
import type { Examination } from "./examination.ts";
import { readUrl } from "./steps/url.ts";

export type Redact = (text: string) => string;

const HIDDEN = "***";
/** Headers that hold no secret, and whose values stand in other places too. */
const PUBLIC = new Set(["host", "origin", "user-agent", "sec-websocket-version", "sec-websocket-extensions"]);
const SCHEME = /^(?:basic|bearer|digest|negotiate|token|apikey)$/i;
/** Shorter ones would take ordinary words out of the text. */
const SHORTEST = 4;
const SHORTEST_PIECE = 6;
/** A subprotocol this long carries a token, as `bearer.eyJ…` does. */
const LONGEST_SUBPROTOCOL = 32;

/** Whether a header's value may be shown. */
export function isPublicHeader(name: string): boolean {
	return PUBLIC.has(name.toLowerCase());
}

/** Everything in the examination that must not be shown again, the longest first. */
export function secretsOf({ url, headers, subprotocols }: Examination): string[] {
	const secrets = new Set<string>();
	for (const [name, value] of headers) {
		if (isPublicHeader(name)) continue;
		if (value.length >= SHORTEST) secrets.add(value);
		for (const piece of value.split(/[\s;,]+/)) {
			const equals = piece.indexOf("=");
			const part = equals > 0 && equals < piece.length - 2 ? piece.slice(equals + 1) : piece;
			if (part.length >= SHORTEST_PIECE && !SCHEME.test(part)) secrets.add(part);
		}
	}
	for (const subprotocol of subprotocols) {
		if (subprotocol.length > LONGEST_SUBPROTOCOL) secrets.add(subprotocol);
	}
	const parsed = URL.canParse(url) ? new URL(url) : undefined;
	if (parsed && parsed.password.length >= SHORTEST) addText(secrets, parsed.password);
	const credentials = readUrl(url, undefined).destination?.credentials;
	if (credentials !== undefined) secrets.add(Buffer.from(credentials).toString("base64"));
	for (const pair of parsed?.search.slice(1).split("&") ?? []) {
		const value = pair.slice(pair.indexOf("=") + 1);
		// `transport=websocket` is none; a token has digits or is long.
		if (value.length >= SHORTEST_PIECE && (/\d/.test(value) || value.length >= 16)) addText(secrets, value);
	}
	return [...secrets].sort((a, b) => b.length - a.length);
}

/** A part of a URL as written, and as a server may repeat it. */
function addText(secrets: Set<string>, part: string): void {
	secrets.add(part);
	try {
		secrets.add(decodeURIComponent(part));
	} catch {
		// Not percent-encoded text: it can only be repeated as it is.
	}
}

/** Takes secrets out of a text, also where they were escaped for quotes, or cut off by `…`. */
export function redactor(secrets: readonly string[]): Redact {
	const all = secrets.flatMap((secret) => {
		const escaped = JSON.stringify(secret).slice(1, -1);
		return escaped === secret ? [secret] : [escaped, secret];
	});
	return (text) => {
		const shown = all.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
		const parts = shown.split("…");
		return parts.map((part, index) => (index < parts.length - 1 ? withoutBeginning(part, all) : part)).join("…");
	};
}

/** Without the beginning of a secret at its end. */
function withoutBeginning(part: string, secrets: readonly string[]): string {
	for (const secret of secrets) {
		for (let length = Math.min(secret.length, part.length); length >= SHORTEST; length--) {
			if (part.endsWith(secret.slice(0, length))) return part.slice(0, -length) + HIDDEN;
		}
	}
	return part;
}
