/** Who the client is when trusted proxies stand in front: one header of theirs says so, never a stranger's. */
import { isIP } from "node:net";
import { z } from "zod";
import { type AddressRanges, normaliseIp } from "../options.ts";
import type { GatewayRequest } from "./request.ts";

/** The client as the gateway believes it to be; see the fields of the same names in {@link GatewayRequest}. */
export interface ClientAddress {
	readonly clientIp: string;
	readonly secure: boolean;
	readonly port: number;
	readonly trustedPeer: boolean;
}

/** `client_ip_header` of a route; the value is in lower case. */
export const clientIpHeaderOption = z
	.string()
	.regex(/^[A-Za-z0-9-]+$/, { error: "expected the name of one header, such as X-Forwarded-For or X-Real-IP" })
	.toLowerCase();

/** {@link clientIpHeaderOption} where nothing is written. */
export const DEFAULT_CLIENT_IP_HEADER = "x-forwarded-for";

/** More hops than any deployment has: what a client writes must not buy an endless walk. */
const MAX_HOPS = 64;

/**
 * Finds the client behind trusted proxies.
 *
 * The address: `header`, and no other, is walked from the right as long as the addresses are trusted ones; the first that
 * is not is the client, since everything left of it was written by a stranger. An entry that is not an address ends the
 * walk at the last good one.
 *
 * Scheme and port: with `Forwarded`, its `proto` counts and X-Forwarded-* do not. Otherwise, when X-Forwarded-Proto (-Port) has as many values as X-Forwarded-For, the value at the client's place
 * counts; otherwise the rightmost, because only that one is certain to be the trusted peer's own. `wss` counts as `https`.
 * When a scheme is told without a port, the port is the one in X-Forwarded-Host or Host, or else the scheme's own.
 *
 * A unix socket's peer (`peerIp` "") has no address to compare: it is trusted as soon as anybody is, because only
 * local processes that may open the socket file can connect.
 *
 * @param peerIp the peer's address as `normaliseIp` gives it, "" for a unix socket
 * @param headers by lower-case name, repeated ones joined
 * @param trusted compiled `trusted_proxies`; undefined or empty = nobody
 * @param secure whether the peer's own connection is encrypted
 * @param port the listener's port, 0 for a unix socket
 * @param header the header that the proxies write, in lower case
 */
export function clientAddress(
	peerIp: string,
	headers: GatewayRequest["headers"],
	trusted: AddressRanges | undefined,
	secure: boolean,
	port: number,
	header = DEFAULT_CLIENT_IP_HEADER,
): ClientAddress {
	if (trusted === undefined || !(peerIp === "" ? !trusted.empty : trusted.has(peerIp))) {
		return { clientIp: peerIp, secure, port, trustedPeer: false };
	}
	const standard = header === "forwarded";
	const hops = standard ? forwarded(headers) : listed(headers, header);
	if (hops === undefined) {
		if (standard) return { clientIp: peerIp, secure, port, trustedPeer: true };
		return { clientIp: peerIp, trustedPeer: true, ...scheme(headers, -1, 0, secure, port) };
	}
	let clientIp = peerIp;
	let place = hops.length;
	const last = Math.max(0, hops.length - MAX_HOPS);
	for (let i = hops.length - 1; i >= last; i--) {
		const ip = address((hops[i] as Hop).node);
		if (ip === undefined) break;
		clientIp = ip;
		place = i;
		if (!trusted.has(ip)) break;
	}
	if (!standard) return { clientIp, trustedPeer: true, ...scheme(headers, place, hops.length, secure, port) };
	const told = encrypted(hops[Math.min(place, hops.length - 1)]?.proto);
	if (told === undefined) return { clientIp, secure, port, trustedPeer: true };
	return { clientIp, secure: told, port: portOfHost(headers, told), trustedPeer: true };
}

/** The request as a route sees it that believes another header than the one it was read with. */
export function readWithHeader(
	request: GatewayRequest,
	trusted: AddressRanges | undefined,
	header: string,
): GatewayRequest {
	const { peerIp, headers, peerSecure = request.secure, peerPort = request.port } = request;
	return {
		...request,
		...clientAddress(peerIp, headers, trusted, peerSecure, peerPort, header),
		clientIpHeader: header,
	};
}

interface Hop {
	readonly node: string;
	/** `proto` of the same element of `Forwarded`. */
	readonly proto?: string | undefined;
}

function scheme(
	headers: GatewayRequest["headers"],
	place: number,
	hops: number,
	secure: boolean,
	port: number,
): { secure: boolean; port: number } {
	const told = encrypted(valueAt(headers, "x-forwarded-proto", place, hops));
	const toldPort = portNumber(valueAt(headers, "x-forwarded-port", place, hops));
	if (told === undefined) return { secure, port: toldPort ?? port };
	return {
		secure: told,
		port: toldPort ?? portOfHost(headers, told, valueAt(headers, "x-forwarded-host", place, hops)),
	};
}

/** The port in X-Forwarded-Host or Host, or else the scheme's own. */
function portOfHost(headers: GatewayRequest["headers"], secure: boolean, told?: string): number {
	const host = told ?? text(headers, "host") ?? "";
	return portNumber(/:(\d{1,5})$/.exec(host)?.[1]) ?? (secure ? 443 : 80);
}

function text(headers: GatewayRequest["headers"], name: string): string | undefined {
	const value = headers[name];
	return Array.isArray(value) ? value.join(",") : value;
}

function valueAt(headers: GatewayRequest["headers"], name: string, place: number, hops: number): string | undefined {
	const value = text(headers, name);
	if (value === undefined) return undefined;
	const comma = value.lastIndexOf(",");
	if (comma < 0) return value.trim();
	const values = value.split(",");
	return (values.length === hops && place < hops ? values[place] : values[values.length - 1])?.trim();
}

function encrypted(proto: string | undefined): boolean | undefined {
	switch (proto?.toLowerCase()) {
		case "https":
		case "wss":
			return true;
		case "http":
		case "ws":
			return false;
		default:
			return undefined;
	}
}

function portNumber(value: string | undefined): number | undefined {
	if (value === undefined || !/^\d{1,5}$/.test(value)) return undefined;
	const port = Number(value);
	return port > 0 && port <= 65535 ? port : undefined;
}

function listed(headers: GatewayRequest["headers"], name: string): Hop[] | undefined {
	return text(headers, name)
		?.split(",")
		.map((node) => ({ node: node.trim() }));
}

/** The elements of `Forwarded` (RFC 7239 §4); one without `for` has node "", which ends the walk. */
function forwarded(headers: GatewayRequest["headers"]): Hop[] | undefined {
	const value = text(headers, "forwarded");
	if (value === undefined) return undefined;
	return splitQuoted(value, ",").map((part) => {
		let node = "";
		let proto: string | undefined;
		for (const pair of splitQuoted(part, ";")) {
			const equals = pair.indexOf("=");
			const name = pair.slice(0, Math.max(0, equals)).trim().toLowerCase();
			if (name === "for") node = unquote(pair.slice(equals + 1).trim());
			else if (name === "proto") proto = unquote(pair.slice(equals + 1).trim());
		}
		return { node, proto };
	});
}

/** Splits at a separator outside of quoted-strings (RFC 9110 §5.6.4). */
function splitQuoted(value: string, separator: string): string[] {
	const parts: string[] = [];
	let start = 0;
	let quoted = false;
	for (let i = 0; i < value.length; i++) {
		const character = value[i];
		if (quoted && character === "\\") i++;
		else if (character === '"') quoted = !quoted;
		else if (!quoted && character === separator) {
			parts.push(value.slice(start, i));
			start = i + 1;
		}
	}
	parts.push(value.slice(start));
	return parts;
}

function unquote(value: string): string {
	return value.length > 1 && value.startsWith('"') && value.endsWith('"')
		? value.slice(1, -1).replace(/\\(.)/g, "$1")
		: value;
}

/** `1.2.3.4`, `1.2.3.4:5678`, `::1`, `[::1]` or `[::1]:5678`; undefined for anything else (`unknown`, `_hidden`). */
function address(node: string): string | undefined {
	const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(node);
	const withPort = bracketed ? null : /^([\d.]+):\d{1,5}$/.exec(node);
	const plain = normaliseIp((bracketed?.[1] ?? withPort?.[1] ?? node).toLowerCase());
	return isIP(plain) === 0 ? undefined : plain;
}
