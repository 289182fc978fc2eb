/** Frame streams in the large: the same through the gateway as directly. */
import { expect, test } from "vitest";
import { compareStreams } from "../conformance/frame-streams.ts";

test.each([
	["plain", false],
	["TLS", true],
])("100 000 random sequences each way over %s arrive as they do directly", async (_, tls) => {
	const result = await compareStreams({ connections: 500, sequences: 200, tls, seed: tls ? 50_000 : 10_000 });
	console.log(result);
	expect(result.sequences).toBe(100_000);
});

test("one connection of 10 000 sequences each way arrives as it does directly", async () => {
	console.log(await compareStreams({ connections: 1, sequences: 10_000, seed: 77 }));
});
