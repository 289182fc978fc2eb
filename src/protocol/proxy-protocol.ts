/**
 * The PROXY protocol's header, read: who a load balancer's client is, told before the first byte of the connection
 * itself. Version 1 (text) and 2 (binary) as in HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2.
 */
import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { GatewayError } from "../errors.ts";
import { normaliseIp } from "../options.ts";

/** The two ends of the connection between the client and whoever sent the header. */
export interface ProxiedAddress {
	/** The client, as `normaliseIp` gives it. */
	readonly sourceIp: string;
	readonly sourcePort: number;
	/** Where the client connected to. */
	readonly destinationIp: string;
	readonly destinationPort: number;
}

export interface ProxyHeader {
	/** Bytes that the header took. */
	readonly length: number;
	/**
	 * Undefined when it names nobody and the connection speaks for itself: LOCAL (a health check), UNKNOWN, unix sockets
	 * and datagrams.
	 */
	readonly address: ProxiedAddress | undefined;
}

/** The longest version 1 header, with its line break. */
const MAX_V1 = 107;
/** The longest version 2 header that is read, with its extensions (TLVs), which are skipped. */
export const MAX_PROXY_HEADER = 4096;

const V1_START = Buffer.from("PROXY ", "latin1");
const V2_START = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V2_FIXED = 16;
const V1_LINE = /^PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/;

const LOCAL = 0;
const PROXY = 1;
/** Address families (high four bits) and the bytes that two addresses of each take, ports included. */
const ADDRESS_LENGTHS = [0, 12, 36, 216] as const;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
const DATAGRAM = 2;

/**
 * Reads the header at the start of `bytes`; undefined when more bytes are needed. A byte that no header can have is
 * refused as soon as it is there, and so is a header that announces more than {@link MAX_PROXY_HEADER} bytes.
 *
 * @throws GatewayError PROXY_HEADER_INVALID
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | undefined {
	if (bytes.length === 0) return undefined;
	if (bytes[0] === V1_START[0]) return startsLike(bytes, V1_START) ? parseV1(bytes) : invalid("there is none");
	return startsLike(bytes, V2_START) ? parseV2(bytes) : invalid("there is none");
}

/** Whether `bytes` are the start of `start`, or the other way round. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
	const length = Math.min(bytes.length, start.length);
	return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader | undefined {
	const end = bytes.subarray(0, MAX_V1).indexOf("\r\n");
	if (end < 0) {
		if (bytes.length >= MAX_V1) invalid("version 1: the line is longer than 107 bytes");
		const feed = bytes.indexOf("\n");
		if (feed >= 0) invalid("version 1: the line does not end with CR LF");
		return undefined;
	}
	const line = bytes.toString("latin1", 0, end);
	const length = end + 2;
	// Whatever follows UNKNOWN is to be ignored.
	if (line === "PROXY UNKNOWN" || line.startsWith("PROXY UNKNOWN ")) return { length, address: undefined };
	const match = V1_LINE.exec(line);
	if (!match) invalid("version 1: the line is not PROXY TCP4|TCP6 source destination port port");
	const [, family, source, destination, sourcePort, destinationPort] = match as unknown as string[];
	const isAddress = family === "TCP4" ? isIPv4 : isIPv6;
	if (!isAddress(source as string) || !isAddress(destination as string)) invalid(`version 1: not a ${family} address`);
	return {
		length,
		address: {
			sourceIp: canonical(source as string),
			sourcePort: port(Number(sourcePort)),
			destinationIp: canonical(destination as string),
			destinationPort: port(Number(destinationPort)),
		},
	};
}

function parseV2(bytes: Buffer): ProxyHeader | undefined {
	if (bytes.length > 12) {
		const versionCommand = bytes[12] as number;
		if (versionCommand >> 4 !== 2) invalid("version 2: the version is not 2");
		if ((versionCommand & 15) > PROXY) invalid("version 2: the command is neither LOCAL nor PROXY");
	}
	if (bytes.length < V2_FIXED) return undefined;
	const command = (bytes[12] as number) & 15;
	const family = (bytes[13] as number) >> 4;
	const transport = (bytes[13] as number) & 15;
	const length = V2_FIXED + bytes.readUInt16BE(14);
	if (length > MAX_PROXY_HEADER) invalid(`version 2: the header is longer than ${MAX_PROXY_HEADER} bytes`);
	if (command === LOCAL) return bytes.length < length ? undefined : { length, address: undefined };
	const addressLength = ADDRESS_LENGTHS[family];
	if (addressLength === undefined || transport > DATAGRAM) invalid("version 2: there is no such address family");
	const tlvs = V2_FIXED + (addressLength as number);
	if (length < tlvs) invalid("version 2: the addresses are cut off");
	if (bytes.length < length) return undefined;
	checkTlvs(bytes, tlvs, length);
	if (transport !== STREAM || (family !== INET && family !== INET6)) return { length, address: undefined };
	const size = family === INET ? 4 : 16;
	const ports = V2_FIXED + 2 * size;
	return {
		length,
		address: {
			sourceIp: binaryIp(bytes, V2_FIXED, size),
			sourcePort: bytes.readUInt16BE(ports),
			destinationIp: binaryIp(bytes, V2_FIXED + size, size),
			destinationPort: bytes.readUInt16BE(ports + 2),
		},
	};
}

/** The extensions say nothing that is needed here, but one that does not fit means that the header is damaged. */
function checkTlvs(bytes: Buffer, start: number, end: number): void {
	for (let at = start; at < end; ) {
		if (at + 3 > end) invalid("version 2: an extension is cut off");
		at += 3 + bytes.readUInt16BE(at + 1);
		if (at > end) invalid("version 2: an extension is cut off");
	}
}

function binaryIp(bytes: Buffer, at: number, size: number): string {
	const parts: string[] = [];
	if (size === 4) {
		for (let i = 0; i < 4; i++) parts.push(String(bytes[at + i]));
		return parts.join(".");
	}
	for (let i = 0; i < 16; i += 2) parts.push(bytes.readUInt16BE(at + i).toString(16));
	return canonical(parts.join(":"));
}

/** The one way of writing an address (RFC 5952), as sockets give it: lists, limits and logs compare text. */
function canonical(ip: string): string {
	return isIPv4(ip) ? ip : normaliseIp(new SocketAddress({ address: ip, family: "ipv6" }).address);
}

function port(value: number): number {
	if (value > 65_535) invalid("version 1: there is no such port");
	return value;
}

function invalid(what: string): never {
	throw new GatewayError("PROXY_HEADER_INVALID", `PROXY protocol header: ${what}`);
}
