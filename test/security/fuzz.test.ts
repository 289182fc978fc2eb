/** Requests that were changed at random; the soak does the same a hundred times as often. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { fuzzHandshakes } from "../soak/handshake-fuzz.ts";
import { startStrictBackend } from "../soak/strict-backend.ts";

test("1 000 changed requests: none hangs, none stops the process, none brings a wrong one to the backend", async () => {
	const result = await fuzzHandshakes(1_000, { warmUp: 100 });
	expect(result.breaches).toEqual([]);
	expect(result.hung).toEqual([]);
	expect(result.errors).toEqual([]);
	expect(result.open).toBe(0);
	expect(result.lines).toBeGreaterThanOrEqual(result.answers);
	// The changes are neither all harmless nor all refused.
	expect(result.handshakes).toBeGreaterThan(50);
	expect(result.statuses).toMatchObject({ 101: expect.any(Number), 200: expect.any(Number), 400: expect.any(Number) });
}, 60_000);

const OURS = "X-Forwarded-For: 1\r\nX-Forwarded-Proto: http\r\nX-Real-IP: 1\r\nX-Request-Id: 1\r\n";
const UPGRADE = `GET /a HTTP/1.1\r\nHost: a\r\n${OURS}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
const PLAIN = `POST /a HTTP/1.1\r\nHost: a\r\n${OURS}Content-Length: 2\r\n\r\nok`;

test("the backend of this fuzzing notices what no gateway may send", async () => {
	const backend = await startStrictBackend();
	const port = Number(backend.url.split(":")[2]);
	const send = (text: string): void => {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.on("error", () => undefined);
		socket.write(text, "latin1");
	};
	const wrong = [
		UPGRADE.replace("GET", "POST"),
		UPGRADE.replace("/a", "http://x/a"),
		UPGRADE.replace("/a", "/a\x01"),
		UPGRADE.replace("Host: a", "Host: a\r\nHost: b"),
		UPGRADE.replace("X-Real-IP: 1\r\n", ""),
		UPGRADE.replace("Version: 13", "Version: 8"),
		UPGRADE.replace("Connection: Upgrade", "Connection: Upgrade, x"),
		UPGRADE.replace("Host: a", "Host: a\r\nContent-Length: 0"),
		`${UPGRADE}early`,
		PLAIN.replace("Content-Length: 2", "Content-Length: 2\r\nTransfer-Encoding: chunked"),
		PLAIN.replace("Host: a", "Host: a\nX: b"),
		PLAIN.replace("Content-Length: 2", "Transfer-Encoding: gzip, chunked"),
		`${PLAIN}more\r\n\r\n`,
	];
	for (const text of wrong) send(text);
	await until(() => backend.breaches.length >= wrong.length, { what: "a breach for each" });
	send(UPGRADE);
	send(PLAIN + PLAIN);
	await until(() => backend.requests() >= 3, { what: "the correct ones" });
	expect(backend.breaches).toHaveLength(wrong.length);
	await backend.close();
});
