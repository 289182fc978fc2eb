/** URLs that the gateway itself asks. */
import { z } from "zod";

/** An absolute http:// or https:// URL. */
export const httpUrl = z.string().refine(isHttpUrl, {
	error: "expected an http:// or https:// URL, such as https://id.example.com/keys.json",
});

function isHttpUrl(text: string): boolean {
	if (!/^https?:\/\//i.test(text)) return false;
	try {
		const { hash, username, password } = new URL(text);
		return hash === "" && username === "" && password === "";
	} catch {
		return false;
	}
}

/** A URL as it may stand in a log line: without user, password and query. */
export function withoutSecrets(url: string): string {
	const { origin, pathname } = new URL(url);
	return origin + pathname;
}
