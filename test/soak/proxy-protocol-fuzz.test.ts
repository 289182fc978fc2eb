import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatewayError } from "../../src/errors.ts";
import { MAX_PROXY_HEADER, parseProxyHeader } from "../../src/protocol/proxy-protocol.ts";
import { proxyHeader } from "../../src/protocol/proxy-protocol-header.ts";
import { resources } from "../harness/resources.ts";
import { anyAddress } from "../unit/protocol/proxy-protocol.fixtures.ts";

const RUNS = 1_000_000;

describe("half a million damaged PROXY headers", () => {
	it("are refused, or read within their bounds, and leave nothing behind", () => {
		let refused = 0;
		let read = 0;
		let waiting = 0;
		const before = resources().heap;
		fc.assert(
			fc.property(
				anyAddress,
				fc.constantFrom("v1" as const, "v2" as const),
				fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
				fc.nat(140),
				fc.uint8Array({ maxLength: 40 }),
				(address, version, changes, length, tail) => {
					const bytes = Buffer.concat([proxyHeader(version, address), tail, Buffer.alloc(60)]).subarray(0, length);
					for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
					try {
						const header = parseProxyHeader(bytes);
						if (header === undefined) {
							waiting++;
							expect(bytes.length).toBeLessThan(MAX_PROXY_HEADER);
						} else {
							read++;
							expect(header.length).toBeLessThanOrEqual(bytes.length);
						}
					} catch (error) {
						if (!(error instanceof GatewayError) || error.code !== "PROXY_HEADER_INVALID") throw error;
						refused++;
					}
				},
			),
			{ numRuns: RUNS },
		);
		expect(refused + read + waiting).toBe(RUNS);
		expect(Math.min(refused, read, waiting)).toBeGreaterThan(RUNS / 100);
		expect(resources().heap - before).toBeLessThan(100 * 1024 * 1024);
	});
});
