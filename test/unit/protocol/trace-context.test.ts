import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTraceparent, parseTraceparent } from "../../../src/protocol/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

describe("traceparent", () => {
	it("is read", () => {
		expect(parseTraceparent(`00-${TRACE}-${PARENT}-01`)).toEqual({ traceId: TRACE, parentId: PARENT, flags: 1 });
	});

	it("of a later version may have more", () => {
		expect(parseTraceparent(`cc-${TRACE}-${PARENT}-01-what-comes`)?.traceId).toBe(TRACE);
		expect(parseTraceparent(`cc-${TRACE}-${PARENT}-01.what`)).toBeUndefined();
	});

	it.each([
		undefined,
		"",
		[`00-${TRACE}-${PARENT}-01`],
		`00-${TRACE}-${PARENT}-01-more`,
		`00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`,
		`ff-${TRACE}-${PARENT}-01`,
		`00-${TRACE.toUpperCase()}-${PARENT}-01`,
		`00-${"0".repeat(32)}-${PARENT}-01`,
		`00-${TRACE}-${"0".repeat(16)}-01`,
		`00-${TRACE.slice(1)}-${PARENT}-01`,
		`00-${TRACE}-${PARENT}-1`,
		`00-${TRACE}-${PARENT}-01\n`,
	])("that is not valid counts as absent: %j", (header) => {
		expect(parseTraceparent(header)).toBeUndefined();
	});

	it("is written so that it reads the same", () => {
		const hex = (length: number) =>
			fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
		fc.assert(
			fc.property(hex(31), hex(15), fc.nat(255), (trace, parent, flags) => {
				const value = { traceId: `${trace}1`, parentId: `${parent}1`, flags };
				expect(parseTraceparent(formatTraceparent(value))).toEqual(value);
			}),
		);
	});
});
