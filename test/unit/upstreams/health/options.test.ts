import { describe, expect, it } from "vitest";
import { healthCheckOptions } from "../../../../src/upstreams/health/index.ts";

describe("health_check", () => {
	it("has the defaults of the reference", () => {
		expect(healthCheckOptions.parse({ type: "websocket" })).toEqual({
			type: "websocket",
			path: "/",
			interval: 5_000,
			timeout: 2_000,
			healthy_threshold: 2,
			unhealthy_threshold: 3,
			expected_statuses: [200],
			jitter: 10,
		});
	});

	it.each<[Record<string, unknown>, string]>([
		[{}, "no type"],
		[{ type: "udp" }, "a type that there is not"],
		[{ type: "http", path: "health" }, "a path without /"],
		[{ type: "http", path: "/a b" }, "a path with a space"],
		[{ type: "http", path: "/a\r\nX: y" }, "a path with a line break"],
		[{ type: "http", path: "/a#b" }, "a path with a fragment"],
		[{ type: "http", port: 0 }, "port 0"],
		[{ type: "http", port: 70_000 }, "a port that there is not"],
		[{ type: "http", interval: "0s" }, "no interval"],
		[{ type: "http", interval: "off" }, "an interval that is off"],
		[{ type: "http", timeout: "0ms" }, "no time"],
		[{ type: "http", healthy_threshold: 0 }, "a threshold of 0"],
		[{ type: "http", expected_statuses: [] }, "no status"],
		[{ type: "http", expected_statuses: [2] }, "a status that there is not"],
		[{ type: "http", jitter: "101%" }, "a jitter of more than the interval"],
		[{ type: "http", retries: 3 }, "an unknown key"],
	])("refuses %j: %s", (written) => {
		expect(healthCheckOptions.safeParse(written).success).toBe(false);
	});

	it("takes a query in the path", () => {
		expect(healthCheckOptions.parse({ type: "http", path: "/health?deep=1" }).path).toBe("/health?deep=1");
	});
});
