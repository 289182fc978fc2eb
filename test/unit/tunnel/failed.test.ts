/** A mistake of ours in one tunnel's code: that tunnel ends, and it is told. */
import { expect, test } from "vitest";
import { until } from "../../harness/poll.ts";
import { openTunnel } from "./tunnel.fixtures.ts";

const mistake = new Error("a mistake");
const fail = (): never => {
	throw mistake;
};

test("what throws while bytes are passed on ends the tunnel on both sides", async () => {
	const { tunnel, client, backend, outcomes, failures, read } = await openTunnel();
	tunnel.backend.write = fail;
	read("client", Buffer.from([0x82, 0x80, 0, 0, 0, 0]));
	await client.ended();
	await backend.ended();
	await until(() => outcomes.length === 1, { what: "the end to be reported" });
	expect(failures).toEqual([mistake]);
	expect(outcomes).toEqual([{ code: 1006, reason: "", initiator: "gateway", termination: "internal_error" }]);
});

test.each(["end", "reset"] as const)(
	"what throws at the %s of a side does not keep the tunnel from being reported",
	async (how) => {
		const { tunnel, client, backend, outcomes, failures } = await openTunnel();
		if (how === "end") tunnel.backend.finish = fail;
		else tunnel.backend.reset = fail;
		if (how === "end") client.end();
		else client.reset();
		await backend.ended();
		await until(() => outcomes.length === 1, { what: "the end to be reported" });
		expect(failures.length).toBeGreaterThan(0);
	},
);

test("what throws when its time has come ends the tunnel", async () => {
	const { tunnel, outcomes, failures, advance } = await openTunnel({ idle: 100 });
	tunnel.client.writeControl = fail;
	advance(200);
	await until(() => outcomes.length === 1, { what: "the end to be reported" });
	expect(failures).toEqual([mistake]);
});
