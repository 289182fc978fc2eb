import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { openRaw } from "../harness/raw-client.ts";
import { SECRET, token } from "../harness/tokens.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

test("hash_on: jwt_claim brings one user to one endpoint from any address, and spreads users", async () => {
	const backends = await Promise.all(Array.from({ length: 4 }, () => startWsBackend()));
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams:
		  chat:
		    endpoints: [${backends.map(({ url }) => `"${url}"`).join(", ")}]
		    load_balancing: { policy: consistent_hash, hash_on: [{ jwt_claim: user.id }, client_ip] }
		routes: [{ match: {}, upstream: chat, auth: { jwt: { secret: "${SECRET}" } } }]
	`);
	const endpoints = new Map<number, Set<string | undefined>>();
	for (let i = 0; i < 60; i++) {
		const user = i % 12;
		const bearer = await token({ sub: `s${i}`, user: { id: user } });
		const client = await openRaw(gateway.port, "/", {
			headers: { Authorization: `Bearer ${bearer}` },
			localAddress: `127.0.0.${2 + (i % 50)}`,
		});
		const opened = gateway.lines.of("ws.open").at(-1);
		endpoints.set(user, (endpoints.get(user) ?? new Set()).add(opened?.endpoint));
		client.reset();
	}
	for (const seen of endpoints.values()) expect(seen.size).toBe(1);
	expect(new Set([...endpoints.values()].flatMap((seen) => [...seen])).size).toBeGreaterThan(1);
});
