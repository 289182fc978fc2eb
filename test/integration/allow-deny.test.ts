/** `allow` and `deny`: client addresses. */
import { expect, test } from "vitest";
import { startGuarded } from "../harness/guarded.ts";
import { expectRejection } from "../harness/rejections.ts";

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
	for (const address of ["203.0.113.7", "2001:db8::7", "[2001:DB8:0::7]:4711", "::ffff:203.0.113.7"]) {
		const headers = { "X-Forwarded-For": address };
		const client = await guarded.upgrade("/", { headers });
		expect([address, client.head.status]).toEqual([address, 403]);
		const stranger = await guarded.upgrade("/", { headers, localAddress: "127.0.0.2" });
		expect([address, stranger.head.status]).toEqual([address, 101]);
	}
});

test("a deny list alone lets everybody else in", async () => {
	const guarded = await startGuarded("deny: 127.0.0.9");
	expect((await guarded.upgrade("/", { localAddress: "127.0.0.9" })).head.status).toBe(403);
	expect((await guarded.upgrade("/", { localAddress: "127.0.0.10" })).head.status).toBe(101);
});
