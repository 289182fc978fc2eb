/** Headers that a client may not decide: hop-by-hop ones, nominated ones, and who it says it is. */
import { describe, expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { connectRaw } from "../harness/raw-client.ts";
import type { Head } from "../harness/raw-peer.ts";
import { handshakeHead, plainHead, startTarget, type TargetOptions } from "./bad-input.ts";

const kinds = [
	["upgrade", handshakeHead],
	["plain HTTP", plainHead],
] as const;

/** Sends a request with these headers and returns what the backend read. */
async function forwarded(
	kind: (typeof kinds)[number],
	extra: string[],
	options: TargetOptions = {},
): Promise<{ request: Head; log: Record<string, unknown> }> {
	const { gateway, backend } = await startTarget(options);
	const client = await connectRaw({ port: gateway.port, tls: options.tls ?? false });
	const connection = extra.find((line) => /^connection:/i.test(line));
	const change = connection === undefined ? {} : { Connection: undefined };
	client.write(kind[1]({ change, extra }));
	expect((await client.readHead()).status).toBe(kind[0] === "upgrade" ? 101 : 200);
	const request = await until(async () => (await backend.connection()).request, { what: "the request" });
	client.reset();
	const log = await gateway.waitForLog(kind[0] === "upgrade" ? "ws.open" : "http.request");
	await gateway.expectQuiet();
	return { request, log };
}

describe.each(kinds)("%s", (...kind) => {
	const upgrade = kind[0] === "upgrade" ? "Upgrade, " : "";

	test("headers that Connection nominates do not survive", async () => {
		const { request } = await forwarded(kind, [
			`Connection: ${upgrade}X-One, x-two`,
			"X-One: 1",
			"X-TWO: 2",
			"X-Three: 3",
		]);
		expect([request.all("x-one"), request.all("x-two"), request.all("x-three")]).toEqual([[], [], ["3"]]);
	});

	test("hop-by-hop headers do not survive", async () => {
		const { request } = await forwarded(kind, [
			"Keep-Alive: timeout=5",
			"Proxy-Connection: keep-alive",
			"Proxy-Authorization: Basic c2VjcmV0",
			"TE: trailers",
			"Trailer: X-Sum",
		]);
		for (const name of ["keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"]) {
			expect([name, request.all(name)]).toEqual([name, []]);
		}
	});

	test.each(["drop", "keep"])(
		"a name with an underscore is no way around one with a hyphen (underscore_headers: %s)",
		async (mode) => {
			const route = [
				`underscore_headers: ${mode}`,
				"request_headers: { set: { X-Remote-User: nobody, X_Ours: ours }, remove: [X-Debug, X_Trace] }",
			].join("\n\t\t\t\t");
			const { request } = await forwarded(
				kind,
				[
					...["X_Remote_User: root", "x_remote-user: root", "X_Debug: 1", "X-Debug: 1", "X-Trace: 1", "X-Ours: theirs"],
					...["X_Real_IP: 6.6.6.6", "X_Client_Verified: SUCCESS", "Content_Length: 5", "Sec_WebSocket_Key: x"],
					...["Keep_Alive: 1", "My_Header: 1"],
				],
				{ route },
			);
			const names = [
				"x-remote-user",
				"x_remote_user",
				"x_remote-user",
				"x_ours",
				"x-ours",
				"x-debug",
				"x_debug",
				"x-trace",
			];
			expect(names.flatMap((name) => request.all(name))).toEqual(["nobody", "ours"]);
			for (const name of ["x_real_ip", "x_client_verified", "content_length", "sec_websocket_key", "keep_alive"]) {
				expect([name, request.all(name)]).toEqual([name, []]);
			}
			expect(request.all("my_header")).toEqual(mode === "keep" ? ["1"] : []);
		},
	);

	test.each([
		"X-Forwarded-For",
		"X-Forwarded-Proto",
		"X-Forwarded-Host",
		"X-Forwarded-Port",
		"X-Real-IP",
		"X-Request-Id",
		"Host",
	])("the gateway's own %s cannot be nominated away", async (name) => {
		const { request } = await forwarded(kind, [`Connection: ${upgrade}${name}, ${name.toLowerCase()}`]);
		expect(request.all(name)).toHaveLength(1);
	});

	test("the handshake's own headers cannot be nominated away", async () => {
		const { request } = await forwarded(kind, [`Connection: ${upgrade}Sec-WebSocket-Key, Sec-WebSocket-Version`]);
		expect(request.all("sec-websocket-version")).toHaveLength(kind[0] === "upgrade" ? 1 : 0);
	});

	const forged = [
		"X-Forwarded-For: 6.6.6.6",
		"X-Forwarded-For: 7.7.7.7",
		"X_Forwarded_For: 8.8.8.8",
		"X-Forwarded-Proto: https",
		"X-Forwarded-Host: evil.test",
		"X-Forwarded-Port: 1",
		"X-Real-IP: 6.6.6.6",
		"Forwarded: for=6.6.6.6;proto=https",
	];

	test("a stranger's X-Forwarded-*, X-Real-IP and Forwarded are replaced", async () => {
		const { request, log } = await forwarded(kind, forged);
		expect(request.all("x-forwarded-for")).toEqual(["127.0.0.1"]);
		expect(request.all("x_forwarded_for")).toEqual([]);
		expect(request.all("x-forwarded-proto")).toEqual(["http"]);
		expect(request.all("x-forwarded-host")).toEqual(["gateway.test"]);
		expect(request.all("x-forwarded-port")).not.toEqual(["1"]);
		expect(request.all("x-real-ip")).toEqual(["127.0.0.1"]);
		expect(request.raw).not.toContain("6.6.6.6");
		expect(log).toMatchObject({ client_ip: "127.0.0.1", peer_ip: "127.0.0.1" });
	});

	test("a trusted proxy's X-Forwarded-* are believed and continued", async () => {
		const { request, log } = await forwarded(
			kind,
			["X-Forwarded-For: 6.6.6.6, 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: chat.example.com"],
			{ top: "trusted_proxies: [127.0.0.1]" },
		);
		expect(request.all("x-forwarded-for")).toEqual(["6.6.6.6, 9.9.9.9, 127.0.0.1"]);
		expect(request.all("x-forwarded-proto")).toEqual(["https"]);
		expect(request.all("x-real-ip")).toEqual(["9.9.9.9"]);
		expect(log).toMatchObject({ client_ip: "9.9.9.9", peer_ip: "127.0.0.1" });
	});

	test("behind a trusted proxy only the last untrusted address counts: what stands before it is a stranger's word", async () => {
		const { request, log } = await forwarded(kind, ["X-Forwarded-For: 10.0.0.1, 6.6.6.6, 10.0.0.2"], {
			top: "trusted_proxies: [127.0.0.1, 10.0.0.0/8]",
		});
		expect(log).toMatchObject({ client_ip: "6.6.6.6" });
		expect(request.all("x-real-ip")).toEqual(["6.6.6.6"]);
	});

	test("a trusted proxy's nonsense is no address", async () => {
		const { log } = await forwarded(kind, ["X-Forwarded-For: <script>, 1.2.3.4.5"], {
			top: "trusted_proxies: [127.0.0.1]",
		});
		expect(log).toMatchObject({ client_ip: "127.0.0.1" });
	});

	test.each([
		["plain", false, "http"],
		["TLS", true, "https"],
	] as const)("X-Forwarded-Proto over %s is never ws or wss", async (_, tls, proto) => {
		const { request } = await forwarded(kind, ["X-Forwarded-Proto: wss"], { tls });
		expect(request.all("x-forwarded-proto")).toEqual([proto]);
	});

	test("headers that rules of the route remove cannot come back in another case", async () => {
		const { request } = await forwarded(kind, ["cOOKIE: a=1", "Cookie: b=2"], {
			route: "request_headers: { remove: [Cookie] }",
		});
		expect(request.all("cookie")).toEqual([]);
	});
});
