/** What one end sends, the other one gets: the same as without a gateway between them. */
import { expect, test, vi } from "vitest";
import { Leg } from "../../src/tunnel/leg.ts";
import { compareStreams } from "./frame-streams.ts";

test("10 000 random valid and invalid sequences each way, cut at random bytes, arrive as they do directly", async () => {
	const { sequences, bytes } = await compareStreams({ connections: 100, sequences: 100 });
	expect(sequences).toBe(10_000);
	expect(bytes).toBeGreaterThan(10_000_000);
}, 90_000);

test("the same over TLS", async () => {
	await compareStreams({ connections: 10, sequences: 100, tls: true, seed: 1_000 });
}, 60_000);

test("the same while the gateway looks at the frames one by one, as it does when a Ping of its own is open", async () => {
	const { start } = Leg.prototype;
	const spied = vi.spyOn(Leg.prototype, "start").mockImplementation(function (this: Leg, early) {
		this.pingsOpen = 1;
		this.watchFrames();
		start.call(this, early);
		expect(this.guard).not.toBeNull();
	});
	await compareStreams({ connections: 30, sequences: 100, seed: 2_000 });
	expect(spied).toHaveBeenCalledTimes(60);
	spied.mockRestore();
}, 60_000);
