import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndpointState } from "../../../src/upstreams/endpoint.ts";
import { currentMode, currentWeight, forgetOverruled, override } from "../../../src/upstreams/override.ts";
import { UpstreamStates } from "../../../src/upstreams/states.ts";
import { byId, upstream } from "./upstream.fixtures.ts";

const MODES = ["ready", "drain", "maint"] as const;

describe("an endpoint that an operator changed", () => {
	it("has the changed values as long as the file says what it said then, each value for itself", () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...MODES),
				fc.constantFrom(...MODES),
				fc.constantFrom(...MODES),
				fc.nat(3),
				fc.nat(3),
				fc.nat(3),
				(mode, changedMode, laterMode, weight, changedWeight, laterWeight) => {
					const state = new EndpointState();
					override(state, { mode, weight }, { mode: changedMode, weight: changedWeight });
					expect([currentMode(state, mode), currentWeight(state, weight)]).toEqual([changedMode, changedWeight]);
					forgetOverruled(state, { mode: laterMode, weight: laterWeight });
					expect(currentMode(state, laterMode)).toBe(laterMode === mode ? changedMode : laterMode);
					expect(currentWeight(state, laterWeight)).toBe(laterWeight === weight ? changedWeight : laterWeight);
					// Once overruled, it stays so.
					expect(currentMode(state, mode)).toBe(laterMode === mode ? changedMode : mode);
				},
			),
		);
	});

	it("is as written after null, and one value can be changed without the other", () => {
		const state = new EndpointState();
		const written = { mode: "ready", weight: 2 } as const;
		override(state, written, { weight: 5 });
		override(state, written, { mode: "drain" });
		expect([currentMode(state, "ready"), currentWeight(state, 2)]).toEqual(["drain", 5]);
		override(state, written, { weight: null });
		expect([currentMode(state, "ready"), currentWeight(state, 2)]).toEqual(["drain", 2]);
		override(state, written, { mode: "ready" });
		expect(state.override).toBeUndefined();
	});

	it("is chosen, or not, by what counts now, in every snapshot that has it; removed and named again it is as written", () => {
		const states = new UpstreamStates(() => 1);
		const compile = () => upstream({ endpoints: ["ws://a:1", "ws://b:1"], states });
		const before = compile();
		const a = byId(before, "a:1");
		override(a.state, a.written, { mode: "maint" });
		const after = compile();
		states.prune([after]);
		expect([before, after].map((pool) => pool.ineligible(byId(pool, "a:1")))).toEqual(["maint", "maint"]);
		a.state.active = 1;
		states.prune([upstream({ endpoints: ["ws://b:1"], states })]);
		expect(compile().ineligible(byId(compile(), "a:1"))).toBeUndefined();
	});
});
