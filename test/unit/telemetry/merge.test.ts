import fc from "fast-check";
import { expect, test } from "vitest";
import { type MetricObject, merge } from "../../../src/telemetry/merge.ts";

function seconds(value: number): MetricObject[] {
	const labels = { route: "chat" };
	const values = [{ value, labels, metricName: "clawgate_handshake_duration_seconds_sum" }];
	return [{ name: "clawgate_handshake_duration_seconds", help: "h", type: "histogram", aggregator: "sum", values }];
}

const sum = (parts: readonly number[]): number | undefined => merge(parts.map(seconds))[0]?.values[0]?.value;

test("the order in which workers are added does not change a sum, not even by its last digit", () => {
	const milliseconds = fc.integer({ min: 0, max: 10_000_000 }).map((tenths) => tenths / 10_000);
	fc.assert(
		fc.property(fc.array(milliseconds, { minLength: 2, maxLength: 8 }), (parts) => {
			expect(sum([...parts].reverse())).toBe(sum(parts));
		}),
	);
	expect(sum([0.1, 0.2, 0.3])).toBe(0.6);
});
