/** The PROXY protocol's header, written for a backend (HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2). */
import { isIP, isIPv4 } from "node:net";
import type { ProxiedAddress } from "./proxy-protocol.ts";

export type ProxyVersion = "v1" | "v2";

const V2_START = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const LOCAL = 0x20;
const PROXY = 0x21;
const UNSPECIFIED = 0x00;
const TCP4 = 0x11;
const TCP6 = 0x21;

/**
 * A header for one connection. Without an address it says UNKNOWN (version 1) or gives an unspecified family (version 2):
 * the client came through a unix socket. Addresses of both families become IPv6 ones (RFC 4291 §2.5.5.2).
 */
export function proxyHeader(version: ProxyVersion, address: ProxiedAddress | undefined): Buffer {
	if (address === undefined || isIP(address.sourceIp) === 0 || isIP(address.destinationIp) === 0) {
		return version === "v1" ? unknown() : v2(PROXY, UNSPECIFIED, Buffer.alloc(0));
	}
	const both4 = isIPv4(address.sourceIp) && isIPv4(address.destinationIp);
	const source = both4 ? address.sourceIp : asIpv6(address.sourceIp);
	const destination = both4 ? address.destinationIp : asIpv6(address.destinationIp);
	const { sourcePort, destinationPort } = address;
	if (version === "v1") {
		const family = both4 ? "TCP4" : "TCP6";
		return Buffer.from(`PROXY ${family} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`, "latin1");
	}
	const ports = Buffer.alloc(4);
	ports.writeUInt16BE(sourcePort, 0);
	ports.writeUInt16BE(destinationPort, 2);
	const pack = both4 ? packIpv4 : packIpv6;
	return v2(PROXY, both4 ? TCP4 : TCP6, Buffer.concat([pack(source), pack(destination), ports]));
}

/** A header for the gateway's own connections, such as health checks: nobody stands behind them. */
export function localProxyHeader(version: ProxyVersion): Buffer {
	return version === "v1" ? unknown() : v2(LOCAL, UNSPECIFIED, Buffer.alloc(0));
}

function unknown(): Buffer {
	return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
}

function v2(command: number, family: number, addresses: Buffer): Buffer {
	const fixed = Buffer.from([command, family, 0, 0]);
	fixed.writeUInt16BE(addresses.length, 2);
	return Buffer.concat([V2_START, fixed, addresses]);
}

function asIpv6(ip: string): string {
	return isIPv4(ip) ? `::ffff:${ip}` : ip;
}

function packIpv4(ip: string): Buffer {
	return Buffer.from(ip.split(".").map(Number));
}

/** @param ip a valid address, which may end in a dotted IPv4 one (RFC 4291 §2.2) */
function packIpv6(ip: string): Buffer {
	const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip) as unknown as [string, string, ...string[]] | null;
	const text = dotted ? `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}` : ip;
	const [left = "", right] = text.split("::") as [string?, string?];
	const head = groups(left);
	const tail = groups(right ?? "");
	const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
	const packed = Buffer.alloc(16);
	all.forEach((group, index) => {
		packed.writeUInt16BE(group, 2 * index);
	});
	return packed;
}

function pair(high = "0", low = "0"): string {
	return (Number(high) * 256 + Number(low)).toString(16);
}

function groups(text: string): number[] {
	return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
