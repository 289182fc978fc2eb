import { describe, expect, it } from "vitest";
import { LOG_FORMATS } from "../../../src/telemetry/formats/index.ts";
import { templateFormatter } from "../../../src/telemetry/formats/template.ts";
import { limitLines } from "../../../src/telemetry/line-limit.ts";
import { closeFields } from "../../../src/telemetry/log-fields.ts";
import { CLOSED, FACTS } from "../telemetry/events.fixtures.ts";

const EVENT = { time: 0, level: "info", name: "ws.close" } as const;
const LIMIT = 4095;

describe("limitLines", () => {
	const json = limitLines(LOG_FORMATS.json(), LIMIT);

	it("leaves a line that fits as it is, to the byte", () => {
		const plain = LOG_FORMATS.json();
		const fields = closeFields(FACTS, CLOSED);
		expect(json(EVENT, fields, undefined)).toBe(plain(EVENT, fields, undefined));
		const room = LIMIT - Buffer.byteLength(plain(EVENT, { path: "" }, undefined) as string);
		expect(JSON.parse(json(EVENT, { path: "x".repeat(room) }, undefined) as string).path).toHaveLength(room);
		expect(JSON.parse(json(EVENT, { path: "x".repeat(room + 1) }, undefined) as string).path).toBe(
			`${"x".repeat(1024)}…`,
		);
	});

	it.each([
		["a long path", { path: "/".repeat(16_000), connection_id: "id" }],
		["three-byte characters", { path: "€".repeat(5_000), connection_id: "id" }],
		["characters that are escaped", { path: '"'.repeat(9_000), host: "\\".repeat(9_000), connection_id: "id" }],
		["many problems", { problems: Array(500).fill("F:1:1: a problem"), connection_id: "id" }],
		[
			"many long fields",
			{ ...Object.fromEntries([..."abcdefghijklmno"].map((key) => [key, "y".repeat(900)])), connection_id: "id" },
		],
	])("cuts %s, and the line stays whole JSON", (_, fields) => {
		const line = json(EVENT, fields, undefined) as string;
		expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LIMIT);
		expect(JSON.parse(line)).toMatchObject({ event: "ws.close", connection_id: "id" });
		expect(line).toContain("…");
	});

	it("writes a remark when cutting is not enough", () => {
		const fields = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field_${i}`, "y".repeat(50)]));
		expect(JSON.parse(json(EVENT, fields, undefined) as string)).toMatchObject({
			message: expect.stringContaining("too long"),
		});
	});

	it("holds for every format", () => {
		const fields = closeFields({ ...FACTS, path: `/${"p".repeat(16_000)}`, user_agent: "u".repeat(9_000) }, CLOSED);
		const details = { method: "GET", referer: "r".repeat(9_000), bodyBytes: 0 };
		const formats = [
			...Object.values(LOG_FORMATS).map((make) => make({ colour: false })),
			templateFormatter("$path $host $http_referer"),
		];
		for (const format of formats) {
			const line = limitLines(format, LIMIT)(EVENT, fields, details) as string;
			expect(Buffer.byteLength(line)).toBeLessThanOrEqual(LIMIT);
			expect(line).toContain("pppp");
		}
	});
});
