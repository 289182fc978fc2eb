/** The same with `data` events, and writes through streams, as on a Node version without the machinery. */
import type { Socket } from "node:net";
import { expect, test, vi } from "vitest";
import type { ByteReceiver } from "../../src/tunnel/reader.ts";
import { tunnelCases } from "./tunnel-cases.ts";

const made = vi.hoisted(() => ({ readers: 0 }));

vi.mock("../../src/sockets/direct-write.ts", () => ({
	descriptorOf: () => -1,
	writeAll: (socket: Socket, bytes: Buffer) => socket.write(bytes),
}));
vi.mock("../../src/tunnel/reader.ts", async (original) => {
	const actual = await original<typeof import("../../src/tunnel/reader.ts")>();
	return {
		...actual,
		detectBufferSymbol: () => null,
		Reader: class extends actual.Reader {
			constructor(socket: Socket, receiver: ByteReceiver) {
				super(socket, receiver, null);
				if (this.reusesBuffer) throw new Error("the fallback reads into a reused buffer");
				made.readers++;
			}
		},
	};
});

tunnelCases("plain", "TLS on both sides");

test("these tunnels were read by the fallback", () => {
	expect(made.readers).toBeGreaterThan(20);
});
