/** The same with `data` events instead of reused buffers, and writes through streams, as on a Node version without that machinery. */
import type { Socket } from "node:net";
import { expect, test, vi } from "vitest";
import type { ByteReceiver } from "../../src/tunnel/reader.ts";
import { compareStreams } from "./frame-streams.ts";

const made = vi.hoisted(() => ({ readers: 0 }));

vi.mock("../../src/sockets/direct-write.ts", () => ({
	descriptorOf: () => -1,
	writeAll: (socket: Socket, bytes: Buffer) => socket.write(bytes),
}));
vi.mock("../../src/tunnel/reader.ts", async (original) => {
	const actual = await original<typeof import("../../src/tunnel/reader.ts")>();
	return {
		...actual,
		Reader: class extends actual.Reader {
			constructor(socket: Socket, receiver: ByteReceiver) {
				super(socket, receiver, null);
				made.readers++;
			}
		},
	};
});

test.each([
	["plain", false],
	["TLS", true],
])(
	"3 000 random sequences each way over %s arrive as they do directly",
	async (_, tls) => {
		await compareStreams({ connections: 30, sequences: 100, tls, seed: 3_000 });
		expect(made.readers).toBeGreaterThanOrEqual(60);
	},
	60_000,
);
