/** What a client sends and the log must not hold, or must not hold as it is. */
import { describe, expect, test } from "vitest";
import { closePayload, frame, OPCODE } from "../harness/frames.ts";
import { until } from "../harness/poll.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { handshakeHead, plainHead, startTarget } from "./bad-input.ts";

const SECRET = "s3cr3t-value";
const SECRETS = [
	`Cookie: session=${SECRET}`,
	`Authorization: Bearer ${SECRET}`,
	`Proxy-Authorization: Basic ${SECRET}`,
	`X-Api-Key: ${SECRET}`,
	`Referer: https://gateway.test/?token=${SECRET}`,
];

const kinds: [string, (start: string, extra: string[]) => Buffer][] = [
	["an open", (start, extra) => handshakeHead({ start, extra })],
	["a refused handshake", (start, extra) => handshakeHead({ start, extra, change: { "Sec-WebSocket-Version": "8" } })],
	[
		"a handshake that is not valid",
		(start, extra) =>
			handshakeHead({ start, extra: [...extra, `Host: ${SECRET}.test`], change: { "Sec-WebSocket-Key": SECRET } }),
	],
	["plain HTTP", (start, extra) => plainHead({ start, extra })],
	["a target that is refused", (start, extra) => plainHead({ start: start.replace("/path", "/../path"), extra })],
	["a fragment", (start, extra) => plainHead({ start: start.replace("?", "#"), extra })],
	["bytes that are no HTTP", (start, extra) => plainHead({ start, extra: [...extra, `bad header ${SECRET}`] })],
];

describe.each(["json", "text"])("log.format %s", (format) => {
	test.each(kinds)("query, cookies and tokens of %s are in no line", async (_, bytes) => {
		const { gateway } = await startTarget({ top: `log: { format: ${format}, level: debug }` });
		const client = await connectRaw({ port: gateway.port });
		client.write(bytes(`GET /path?access_token=${SECRET}&x=${SECRET} HTTP/1.1`, SECRETS));
		await client.readHead();
		client.reset();
		const text = () => [...gateway.logs.map((line) => JSON.stringify(line)), ...gateway.lines.other].join("\n");
		await until(() => /ws\.|http\.request|GET \/|HTTP\/1/.test(text()), { what: "a line" });
		await gateway.stop();
		expect(text()).not.toContain(SECRET);
	});
});

test("a query is not in a line either when the backend cannot be reached", async () => {
	const { gateway, backend } = await startTarget();
	await backend.close();
	for (const bytes of [handshakeHead, plainHead]) {
		const client = await connectRaw({ port: gateway.port });
		client.write(bytes({ start: `GET /path?t=${SECRET} HTTP/1.1`, extra: SECRETS }));
		expect((await client.readHead()).status).toBe(502);
		client.reset();
	}
	await until(() => gateway.logs.length >= 2, { what: "two lines" });
	expect(JSON.stringify(gateway.logs)).not.toContain(SECRET);
	expect(JSON.stringify(gateway.logs)).toContain('"/path"');
});

describe.each(["json", "text"])("control characters with log.format %s", (format) => {
	test("of a header and of a close reason never reach the terminal, and one event is one line", async () => {
		const written: string[] = [];
		const { gateway } = await startTarget({ top: `log: { format: ${format} }`, route: 'allowed_origins: ["*"]' });
		const client = await openRaw(gateway.port, "/", {
			headers: { "User-Agent": "evil\tagent\x9b31m" },
		});
		client.write(
			frame(OPCODE.close, closePayload(4000, 'bye\r\n{"event":"ws.open"}\x1b[31m\u2028\u009b'), { mask: true }),
		);
		client.end();
		await until(() => gateway.handle.connectionCount() === 0, { what: "the end" });
		await gateway.stop();
		for (const line of gateway.logs) written.push(JSON.stringify(line));
		// A JSON line may hold escapes; what was written as text may not hold the characters.
		for (const line of gateway.lines.other) {
			// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
			expect(line).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/);
			written.push(line);
		}
		expect(gateway.lines.of("ws.open").length).toBeLessThanOrEqual(1);
		expect(written.join("\n")).toContain("4000");
	});
});
