import { expect, it } from "vitest";
import { judge } from "../../../src/doctor/cause.ts";
import { CAUSES } from "../../../src/doctor/causes/index.ts";
import { findAddresses } from "../../../src/doctor/steps/dns.ts";
import { type LookedUp, systemLookup } from "../../../src/doctor/system-lookup.ts";

it("finds what the system knows, and names its error", async () => {
	const { addresses, ms } = await systemLookup("localhost", 0, 10_000);
	expect(addresses.length).toBeGreaterThan(0);
	expect(ms).toBeGreaterThanOrEqual(0);
	expect(await systemLookup(`${"a".repeat(64)}.test`, 0, 10_000)).toMatchObject({
		addresses: [],
		error: "ENOTFOUND",
		timedOut: false,
	});
});

it("ends in time, whatever the resolver does", async () => {
	// No process starts within a millisecond.
	expect(await systemLookup("localhost", 0, 1)).toEqual({ addresses: [], error: undefined, timedOut: true });
});

it("tells the resolver's failures apart", async () => {
	const cause = async (answer: Partial<LookedUp>, family: 0 | 4 | 6 = 0): Promise<string[]> => {
		const lookup = async () => ({ addresses: [], error: undefined, timedOut: false, ...answer });
		const facts = await findAddresses("a.example", { resolve: undefined, family, timeout: 1, lookup });
		return judge(CAUSES.dns, facts).map((finding) => finding.cause);
	};
	expect(await cause({ timedOut: true })).toEqual(["dns-timeout"]);
	expect(await cause({ error: "EAI_AGAIN" })).toEqual(["dns-no-answer"]);
	expect(await cause({ error: "ENOTFOUND" })).toEqual(["dns-not-found"]);
	expect(await cause({ error: "ENOTFOUND" }, 6)).toEqual(["dns-no-family"]);
	expect(await cause({ addresses: [{ address: "192.0.2.1", family: 4 }] })).toEqual([]);
});
