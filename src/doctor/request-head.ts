/** The opening handshake that the doctor sends (RFC 6455 §4.1). */
import type { Examination } from "./examination.ts";
import { isPublicHeader } from "./redact.ts";
import type { Destination } from "./steps/url.ts";

/** Headers that the doctor writes itself: another value would make the verdict meaningless. */
export const OWN_HEADERS: readonly string[] = [
	"connection",
	"upgrade",
	"sec-websocket-key",
	"sec-websocket-version",
	"sec-websocket-protocol",
	"content-length",
	"transfer-encoding",
];

export interface RequestHead {
	/** To be written as latin1. */
	readonly head: string;
	/** The lines without the values that must not be shown. */
	readonly shown: readonly string[];
}

/** Writes the head. A header of the examination takes the place of the doctor's own of that name. */
export function requestHead(
	{ authority, target, credentials }: Destination,
	{ headers, subprotocols, origin }: Pick<Examination, "headers" | "subprotocols" | "origin">,
	key: string,
): RequestHead {
	const own: [string, string][] = [
		["Host", authority],
		["User-Agent", "clawgate-doctor"],
		["Sec-WebSocket-Version", "13"],
	];
	if (credentials !== undefined) own.push(["Authorization", `Basic ${Buffer.from(credentials).toString("base64")}`]);
	if (origin !== undefined) own.push(["Origin", origin]);
	const given = new Set(headers.map(([name]) => name.toLowerCase()));
	const list: [string, string][] = [
		...own.filter(([name]) => !given.has(name.toLowerCase())),
		["Connection", "Upgrade"],
		["Upgrade", "websocket"],
		["Sec-WebSocket-Key", key],
		...headers.map(([name, value]): [string, string] => [name, value]),
	];
	if (subprotocols.length > 0) list.push(["Sec-WebSocket-Protocol", subprotocols.join(", ")]);
	const path = target.split("?")[0] as string;
	return {
		head: `GET ${target} HTTP/1.1\r\n${list.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
		shown: [
			`GET ${path}${path === target ? "" : "?…"} HTTP/1.1`,
			...list.map(([name, value]) => `${name}: ${isShown(name) ? value : "***"}`),
		],
	};
}

function isShown(name: string): boolean {
	return (
		isPublicHeader(name) ||
		["connection", "upgrade", "sec-websocket-key", "sec-websocket-protocol"].includes(name.toLowerCase())
	);
}
