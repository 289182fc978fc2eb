import { expect, it } from "vitest";
import { judge } from "../../../src/doctor/cause.ts";
import { HOLD_CAUSES } from "../../../src/doctor/causes/hold.ts";
import { idleLimitAt } from "../../../src/doctor/idle-limits.ts";
import type { HoldFacts } from "../../../src/doctor/steps/hold.ts";

const cutAfter = (ms: number): HoldFacts => ({
	ending: { kind: "fin" },
	wanted: 600_000,
	held: ms,
	idle: ms,
	pingEvery: undefined,
	sent: 0,
	received: 0,
	unanswered: false,
	timeout: 1,
	server: undefined,
});

it("knows whose habit a cut is", () => {
	expect(idleLimitAt(60_100)?.who).toContain("nginx");
	expect(idleLimitAt(100_400)?.who).toBe("Cloudflare");
	expect(idleLimitAt(350_000)?.who).toContain("NLB");
	expect(idleLimitAt(42_000)).toBeUndefined();
});

it("says so in the advice for an idle connection that was cut after 60 s", () => {
	const [finding] = judge(HOLD_CAUSES, cutAfter(60_050));
	expect(finding?.cause).toBe("idle-cut");
	const advice = finding?.advice.join("\n");
	expect(advice).toContain("nginx (`proxy_read_timeout`), AWS ALB");
	expect(advice).toContain("--ping-every 30s");
});

it("blames nobody for a cut at another time", () => {
	expect(judge(HOLD_CAUSES, cutAfter(42_000))[0]?.advice.join()).not.toContain("About");
});
