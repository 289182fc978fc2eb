/** `allow` and `deny`: client addresses. */
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { startGuarded } from "../harness/guarded.ts";
import { until } from "../harness/poll.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

test("deny wins over allow, and who is in neither list is refused when there is an allow list", async () => {
	const guarded = await startGuarded("allow: [127.0.0.0/24]\ndeny: [127.0.0.9]");
	const inside = await guarded.upgrade("/", { localAddress: "127.0.0.5" });
	expect(inside.head.status).toBe(101);
	for (const localAddress of ["127.0.0.9", "127.0.1.1"]) {
		const client = await guarded.upgrade("/", { localAddress });
		await expectRejection(client, client.head, 403, "ADDRESS_DENIED");
		expect((await guarded.http("/", { localAddress })).head.status).toBe(403);
	}
	expect((await guarded.http("/", { localAddress: "127.0.0.5" })).head.status).toBe(200);
	expect(guarded.seen).toHaveLength(2);
	expect(guarded.gateway.lines.of("ws.reject").map(({ client_ip, code }) => [client_ip, code])).toEqual([
		["127.0.0.9", "ADDRESS_DENIED"],
		["127.0.1.1", "ADDRESS_DENIED"],
	]);
});

test("the address is the client's behind trusted proxies, and a stranger's X-Forwarded-For is nobody's word", async () => {
	const guarded = await startGuarded("deny: [203.0.113.0/24, 2001:db8::/32]", { top: "trusted_proxies: [127.0.0.1]" });
	for (const address of [
		"203.0.113.7",
		"2001:db8::7",
		"[2001:DB8:0::7]:4711",
		"::ffff:203.0.113.7",
		"::ffff:cb00:7107",
		"0:0:0:0:0:FFFF:cb00:7107",
	]) {
		const headers = { "X-Forwarded-For": address };
		const client = await guarded.upgrade("/", { headers });
		expect([address, client.head.status]).toEqual([address, 403]);
		const stranger = await guarded.upgrade("/", { headers, localAddress: "127.0.0.2" });
		expect([address, stranger.head.status]).toEqual([address, 101]);
	}
});

test("each route believes the one header it names, in its match, its checks, its log and towards its backend", async () => {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		trusted_proxies: [127.0.0.1]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- { name: default, match: { path_prefix: /default }, upstream: app, deny: [6.6.6.6] }
			- { name: real, match: { path_prefix: /real, client_ip: 6.6.6.6 }, upstream: app, client_ip_header: X-Real-IP }
			- { name: standard, match: { path_prefix: /standard }, upstream: app, client_ip_header: Forwarded, deny: [6.6.6.6] }
	`);
	const ask = async (path: string, headers: Record<string, string>): Promise<number> => {
		const client = await connectRaw({ port: gateway.port });
		return (await client.handshake(path, { headers })).status;
	};
	const [good, bad] = ["9.9.9.9", "6.6.6.6"];
	expect(await ask("/default", { "X-Forwarded-For": good, "X-Real-IP": bad, Forwarded: `for=${bad}` })).toBe(101);
	expect(await ask("/default", { "X-Forwarded-For": bad, "X-Real-IP": good, Forwarded: `for=${good}` })).toBe(403);
	expect(await ask("/real", { "X-Forwarded-For": bad, "X-Real-IP": good })).toBe(404);
	expect(await ask("/real", { "X-Forwarded-For": good, "X-Real-IP": bad })).toBe(101);
	expect(await ask("/standard", { "X-Forwarded-For": bad, Forwarded: `for=${good}` })).toBe(101);
	expect(await ask("/standard", { "X-Forwarded-For": good, Forwarded: `for="[::ffff:0606:0606]"` })).toBe(403);
	await until(() => gateway.lines.of("ws.open").length === 3, { what: "three lines" });
	expect(gateway.lines.of("ws.open").map(({ route, client_ip }) => [route, client_ip])).toEqual([
		["default", good],
		["real", bad],
		["standard", good],
	]);
	expect(backend.requests.map(({ headers }) => headers["x-real-ip"])).toEqual([good, bad, good]);
});

test("a deny list alone lets everybody else in", async () => {
	const guarded = await startGuarded("deny: 127.0.0.9");
	expect((await guarded.upgrade("/", { localAddress: "127.0.0.9" })).head.status).toBe(403);
	expect((await guarded.upgrade("/", { localAddress: "127.0.0.10" })).head.status).toBe(101);
});
