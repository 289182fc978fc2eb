import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndpointState } from "../../../../src/upstreams/endpoint.ts";
import { countProbe, forgetHealth } from "../../../../src/upstreams/health/verdict.ts";

const thresholds = { healthy_threshold: 2, unhealthy_threshold: 3 };

/** The health after each probe; `+` is a good one, `-` a failed one. */
function healths(state: EndpointState, probes: string): string[] {
	return [...probes].map((probe) => {
		countProbe(state, probe === "+", thresholds);
		return state.health;
	});
}

describe("countProbe", () => {
	it.each([
		["+", "healthy"],
		["-", "unhealthy"],
	])("lets the first probe (%s) decide at once", (probe, health) => {
		const state = new EndpointState();
		expect(state.health).toBe("unknown");
		expect(countProbe(state, probe === "+", thresholds)).toBe(health);
		expect(state.health).toBe(health);
	});

	it("takes three failures in a row to turn a healthy endpoint, and two good ones to turn it back", () => {
		const state = new EndpointState();
		expect(healths(state, "+--+---").map((health) => health[0])).toEqual([..."hhhhhhu"]);
		expect(healths(state, "+-++").map((health) => health[0])).toEqual([..."uuuh"]);
	});

	it("names a change exactly when there is one, and the counts say how many probes agree", () => {
		fc.assert(
			fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (probes) => {
				const state = new EndpointState();
				let run = 0;
				probes.forEach((healthy, index) => {
					run = probes[index - 1] === healthy ? run + 1 : 1;
					const before = state.health;
					const change = countProbe(state, healthy, thresholds);
					expect(change).toBe(before === state.health ? undefined : state.health);
					expect([state.probeSuccesses, state.probeFailures]).toEqual(healthy ? [run, 0] : [0, run]);
				});
			}),
		);
	});
});

it("forgetHealth goes back to the beginning", () => {
	const state = new EndpointState();
	healths(state, "+--");
	state.healthReason = "connected";
	forgetHealth(state);
	expect(state).toEqual({ ...new EndpointState() });
});
