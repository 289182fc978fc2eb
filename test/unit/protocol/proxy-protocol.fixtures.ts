/** PROXY headers by hand, and random ones. */
import fc from "fast-check";
import type { ProxiedAddress } from "../../../src/protocol/proxy-protocol.ts";

export const V2_SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

/** A version 2 header from its parts; `addresses` holds everything after the fixed 16 bytes. */
export function v2(versionCommand: number, family: number, addresses: Buffer, length = addresses.length): Buffer {
	const fixed = Buffer.from([versionCommand, family, length >> 8, length & 255]);
	return Buffer.concat([V2_SIGNATURE, fixed, addresses]);
}

/** An extension (TLV). */
export function tlv(type: number, value: Buffer): Buffer {
	return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
}

const port = fc.integer({ min: 0, max: 65_535 });
const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6().filter((ip) => !ip.includes("."));

/** Two ends of one family, or of both. */
export const anyAddress: fc.Arbitrary<ProxiedAddress> = fc.record({
	sourceIp: fc.oneof(ipv4, ipv6),
	sourcePort: port,
	destinationIp: fc.oneof(ipv4, ipv6),
	destinationPort: port,
});
