import { describe, expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, type BackendPeer, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import type { RawPeer } from "../harness/raw-peer.ts";
import { frameSequence, hostileEnding, randomChunks, seeded } from "../harness/sequences.ts";

const CONNECTIONS = 50;
const SEQUENCES = 100;

async function send(peer: RawPeer, bytes: Buffer, random: () => number): Promise<void> {
	for (const chunk of randomChunks(bytes, random)) {
		if (!peer.socket.write(chunk)) await new Promise((resolve) => peer.socket.once("drain", resolve));
		// Gives the kernel a chance to send the pieces as they are cut.
		if (random() < 0.05) await new Promise((resolve) => setImmediate(resolve));
	}
}

function stream(random: () => number, mask: boolean): Buffer {
	const parts = Array.from({ length: SEQUENCES }, () => frameSequence(random, mask));
	if (random() < 0.3) parts.push(hostileEnding(random, mask));
	return Buffer.concat(parts);
}

describe("frame streams through the gateway", () => {
	test("5 000 random valid and invalid sequences each way, cut at random bytes, arrive byte for byte", async () => {
		const backend = await startRawBackend(accepting());
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { b: { endpoints: ["${backend.url}"] } }
			routes: [{ match: { path_prefix: / }, upstream: b, timeouts: { close: 500ms } }]
		`);
		for (let seed = 1; seed <= CONNECTIONS; seed++) {
			const random = seeded(seed);
			const client = await openRaw(gateway.port);
			const peer: BackendPeer = await backend.connection(seed - 1);
			const up = stream(random, true);
			const down = stream(random, false);
			await Promise.all([send(client, up, random), send(peer, down, random)]);
			await until(() => peer.after.length >= up.length, { what: `seed ${seed}: all bytes at the backend` });
			await until(() => client.unread.length >= down.length, { what: `seed ${seed}: all bytes at the client` });
			expect(peer.after.equals(up), `seed ${seed}, to the backend`).toBe(true);
			expect(client.unread.equals(down), `seed ${seed}, to the client`).toBe(true);
			client.reset();
		}
		await gateway.expectQuiet();
	}, 60_000);
});
