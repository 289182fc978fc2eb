import { expect, it } from "vitest";
import { judge } from "../../../../src/doctor/cause.ts";
import { TCP_CAUSES } from "../../../../src/doctor/causes/tcp.ts";

function causes(...outcomes: string[]): string[] {
	const attempts = outcomes.map((outcome) => ({ address: "192.0.2.1", family: 4 as const, outcome, ms: 1 }));
	return judge(TCP_CAUSES, { port: 80, timeout: 1, attempts }).map(({ cause }) => cause);
}

it("each way in which a connection fails has its cause; a refusal says most", () => {
	expect(causes("connected")).toEqual([]);
	expect(causes("ECONNREFUSED")).toEqual(["tcp-refused"]);
	expect(causes("ENETUNREACH", "ECONNREFUSED")).toEqual(["tcp-refused"]);
	expect(causes("ENETUNREACH", "timeout")).toEqual(["tcp-timeout"]);
	expect(causes("ETIMEDOUT")).toEqual(["tcp-timeout"]);
	expect(causes("EHOSTUNREACH")).toEqual(["tcp-unreachable"]);
	expect(causes("ECONNRESET")).toEqual(["tcp-reset"]);
	expect(causes("EACCES")).toEqual(["tcp-failed"]);
	expect(causes("timeout", "connected")).toEqual(["tcp-some-addresses"]);
});
