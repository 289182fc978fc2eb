import fc from "fast-check";
import { expect, it } from "vitest";
import { judge } from "../../../../src/doctor/cause.ts";
import { HANDSHAKE_CAUSES } from "../../../../src/doctor/causes/handshake.ts";
import { handshakeFacts } from "../../../../src/doctor/steps/handshake.ts";
import { acceptKey } from "../../../../src/protocol/accepted.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const header = (name: string, ...values: string[]) => fc.constantFrom([], ...values.map((value) => [name, value]));
const lines = [
	header("Upgrade", "websocket", "WebSocket", "h2c"),
	header("Connection", "Upgrade", "keep-alive, upgrade", "close"),
	header("Sec-WebSocket-Accept", acceptKey(KEY), "wrong"),
	header("Sec-WebSocket-Protocol", "a", "A", "c"),
	header("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10", "x-other"),
	header("Upgrade", "websocket"),
	header("Sec-WebSocket-Accept", acceptKey(KEY)),
];

it("every 101 that a client has to refuse shows a cause, and none that it takes does, but for browsers' own rule", () => {
	fc.assert(
		fc.property(
			fc.tuple(...lines),
			fc.constantFrom([], ["a"], ["a", "b"]),
			fc.constantFrom("", "permessage-deflate"),
			(headers, offered, extensions) => {
				const answer = {
					status: 101,
					statusText: "",
					rawHeaders: headers.flat(),
					rest: Buffer.alloc(0),
					body: Buffer.alloc(0),
				};
				const facts = handshakeFacts(answer, { key: KEY, offered, extensions });
				const causes = judge(HANDSHAKE_CAUSES, facts).map(({ cause }) => cause);
				const beyond = causes.filter((cause) => cause !== "subprotocol-none");
				expect(beyond.length > 0).toBe(facts.refusal !== undefined);
				expect(causes.includes("subprotocol-none")).toBe(offered.length > 0 && facts.chosen === undefined);
			},
		),
		{ numRuns: 2_000 },
	);
});
