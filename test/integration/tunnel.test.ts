/** Tunnels whose sockets are read into reused buffers, where this Node version can. */
import { expect, test } from "vitest";
import { detectBufferSymbol } from "../../src/tunnel/reader.ts";
import { tunnelCases } from "./tunnel-cases.ts";

test("this Node version has the machinery for reading into reused buffers", () => {
	expect(detectBufferSymbol()).not.toBeNull();
});

tunnelCases("plain", "TLS at the client", "TLS on both sides");
