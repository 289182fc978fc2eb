/** Step 1: the URL, as a browser would read it (RFC 6455 §3, WHATWG URL). */

/** Where a URL leads. */
export interface Destination {
	readonly secure: boolean;
	/** Host name or address without brackets. */
	readonly host: string;
	readonly port: number;
	/** For the Host header: the port is left out when it is the scheme's own. */
	readonly authority: string;
	/** Request target: path and query. */
	readonly target: string;
	/** For the reader: without query and password. */
	readonly shown: string;
	/** `user:password` of the URL, decoded; undefined without. */
	readonly credentials: string | undefined;
}

export interface UrlFacts {
	/** Undefined when the URL cannot be used. */
	readonly destination: Destination | undefined;
	readonly mistake: "no-scheme" | "scheme" | "syntax" | undefined;
	/** As written, lower case, without the colon. */
	readonly scheme: string;
	readonly fragment: boolean;
	/** Value of Origin that will be sent. */
	readonly origin: string | undefined;
}

const WITH_SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const SCHEMES = new Set(["ws", "wss", "http", "https"]);

/** Reads the operator's URL. */
export function readUrl(text: string, origin: string | undefined): UrlFacts {
	const scheme = WITH_SCHEME.exec(text)?.[1]?.toLowerCase() ?? "";
	const facts = { destination: undefined, mistake: undefined, scheme, fragment: text.includes("#"), origin };
	if (scheme === "") return { ...facts, mistake: "no-scheme" };
	if (!SCHEMES.has(scheme)) return { ...facts, mistake: "scheme" };
	if (!URL.canParse(text)) return { ...facts, mistake: "syntax" };
	const url = new URL(text);
	if (url.hostname === "" || url.port === "0") return { ...facts, mistake: "syntax" };
	return { ...facts, destination: destination(url, scheme === "wss" || scheme === "https") };
}

function destination(url: URL, secure: boolean): Destination {
	const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
	const { hostname, pathname, search, username, password } = url;
	return {
		secure,
		host: hostname.replace(/^\[|\]$/g, ""),
		port,
		authority: url.host,
		target: `${pathname}${search}`,
		shown: `${secure ? "wss" : "ws"}://${hostname}:${port}${pathname}${search === "" ? "" : "?…"}`,
		credentials: username === "" && password === "" ? undefined : `${decode(username)}:${decode(password)}`,
	};
}

function decode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** What the step saw. */
export function describeUrl({ destination: found, mistake }: UrlFacts): string {
	if (found) return found.shown;
	if (mistake === "no-scheme") return "the URL has no scheme";
	return mistake === "scheme" ? "the URL's scheme is not ws or wss" : "this is not a URL";
}
