import { describe, expect, it } from "vitest";
import type { Upstream } from "../../../../src/upstreams/upstream.ts";
import { request } from "../upstream.fixtures.ts";
import { options, upstream } from "./health.fixtures.ts";

const health_check = options();

/** What keeps each endpoint from being used, with these healths (h, u, ? = unknown). */
function reasons(pool: Upstream, healths: string): (string | undefined)[] {
	return pool.endpoints
		.map((endpoint, index) => {
			const letter = healths[index];
			endpoint.state.health = letter === "h" ? "healthy" : letter === "u" ? "unhealthy" : "unknown";
			return endpoint;
		})
		.map((endpoint) => pool.ineligible(endpoint));
}

const three = ["ws://a:1", "ws://b:1", "ws://c:1"];
const NOT_PROBED = "not probed yet";

describe("an upstream with a health check", () => {
	it("uses unknown endpoints as long as none is known to be healthy", () => {
		const pool = upstream(three, { health_check });
		expect(reasons(pool, "???")).toEqual([undefined, undefined, undefined]);
		expect(reasons(pool, "u??")).toEqual(["unhealthy", undefined, undefined]);
		expect(reasons(pool, "?h?")).toEqual([NOT_PROBED, undefined, NOT_PROBED]);
	});

	it("has nobody to offer when all are unhealthy", () => {
		const pool = upstream(three, { health_check });
		expect(reasons(pool, "uuu")).toEqual(["unhealthy", "unhealthy", "unhealthy"]);
		expect(pool.candidates(request()).next()).toBe(undefined);
	});

	it.each([
		["drain", { state: "drain" }],
		["maint", { state: "maint" }],
		["weight 0", { weight: 0 }],
	])("does not wait for an unknown endpoint's probe when the healthy one is in %s", (_, parts) => {
		const pool = upstream([{ url: "ws://a:1", ...parts }, "ws://b:1"], { health_check });
		expect(reasons(pool, "h?")[1]).toBe(undefined);
	});

	it("does not send everybody to the backup because its probe was answered first", () => {
		const pool = upstream(["ws://a:1", { url: "ws://b:1", backup: true }], { health_check });
		expect(reasons(pool, "?h")).toEqual([undefined, undefined]);
		expect(pool.candidates(request()).next()?.id).toBe("a:1");
	});

	it("goes to the backup when no primary is healthy", () => {
		const pool = upstream(["ws://a:1", { url: "ws://b:1", backup: true }], { health_check });
		reasons(pool, "uh");
		expect(pool.candidates(request()).next()?.id).toBe("b:1");
	});
});

it("an upstream without a health check does not care", () => {
	expect(reasons(upstream(three), "uh?")).toEqual([undefined, undefined, undefined]);
});
