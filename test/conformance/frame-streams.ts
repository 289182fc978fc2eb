/**
 * Random frame sequences, valid and invalid, cut at random bytes, through the gateway and directly: both ends must see
 * the same. The small size is in `npm test`, the large ones in the soak.
 */
import { expect } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { accepting, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import type { RawPeer } from "../harness/raw-peer.ts";
import { frameSequence, hostileEnding, randomChunks, seeded } from "../harness/sequences.ts";

export interface StreamOptions {
	readonly connections: number;
	/** On each connection, each way. */
	readonly sequences: number;
	/** Both sides of the gateway, and the direct connection, speak TLS. */
	readonly tls?: boolean;
	/** The first seed. */
	readonly seed?: number;
}

export interface StreamResult {
	readonly sequences: number;
	readonly bytes: number;
	readonly seconds: number;
}

/** What one end received on the two ways. */
interface Received {
	readonly atBackend: Buffer;
	readonly atClient: Buffer;
}

/** Sends each stream both ways, through the gateway and directly, and compares what arrived with each other to the byte. */
export async function compareStreams(options: StreamOptions): Promise<StreamResult> {
	const { connections, sequences, tls = false, seed: firstSeed = 1 } = options;
	const backend = await startRawBackend(accepting());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${tls ? ", tls: { self_signed: [localhost] }" : ""} }]
		upstreams: { b: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: b, timeouts: { close: 500ms } }]
	`);
	const startedAt = performance.now();
	let bytes = 0;
	for (let seed = firstSeed; seed < firstSeed + connections; seed++) {
		const streams = seeded(seed);
		const up = stream(streams, true, sequences);
		const down = stream(streams, false, sequences);
		const exchange = async (port: number, secure: boolean): Promise<Received> => {
			const random = seeded(seed);
			const known = backend.connections.length;
			const client = await openRaw(port, "/", { tls: secure });
			const peer = await backend.connection(known);
			await Promise.all([send(client, up, random), send(peer, down, random)]);
			await until(() => peer.after.length >= up.length, { timeout: 20_000, what: `seed ${seed}: all at the backend` });
			await until(() => client.unread.length >= down.length, {
				timeout: 20_000,
				what: `seed ${seed}: all at the client`,
			});
			const received = { atBackend: Buffer.from(peer.after), atClient: Buffer.from(client.unread) };
			client.reset();
			peer.forget();
			return received;
		};
		const through = await exchange(gateway.port, tls);
		const direct = await exchange(backend.port, false);
		expect(through.atBackend.equals(direct.atBackend), `seed ${seed}, to the backend`).toBe(true);
		expect(through.atClient.equals(direct.atClient), `seed ${seed}, to the client`).toBe(true);
		expect(direct.atBackend.equals(up), `seed ${seed}, what was sent to the backend`).toBe(true);
		expect(direct.atClient.equals(down), `seed ${seed}, what was sent to the client`).toBe(true);
		bytes += up.length + down.length;
	}
	const seconds = (performance.now() - startedAt) / 1000;
	await gateway.expectQuiet();
	return { sequences: connections * sequences, bytes, seconds };
}

async function send(peer: RawPeer, bytes: Buffer, random: () => number): Promise<void> {
	for (const chunk of randomChunks(bytes, random)) {
		if (!peer.socket.write(chunk)) await new Promise((resolve) => peer.socket.once("drain", resolve));
		// Gives the kernel a chance to send the pieces as they are cut.
		if (random() < 0.05) await new Promise((resolve) => setImmediate(resolve));
	}
}

function stream(random: () => number, mask: boolean, sequences: number): Buffer {
	const parts = Array.from({ length: sequences }, () => frameSequence(random, mask));
	if (random() < 0.3) parts.push(hostileEnding(random, mask));
	return Buffer.concat(parts);
}
