import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

const yaml = (urls: string[], onUnhealthy: string) => `
	listeners: [{ address: "127.0.0.1:0" }]
	upstreams:
	  chat:
	    endpoints: [${urls.map((url) => `"${url}"`).join(", ")}]
	    health_check: { type: http, path: /health, interval: 100ms, timeout: 100ms, unhealthy_threshold: 2 }
	    on_unhealthy: ${onUnhealthy}
	routes: [{ name: chat, match: {}, upstream: chat, drain: { spread: 0s, timeout: 5s } }]
`;

async function backends() {
	const sick = new Set<string>();
	const start = (name: string) =>
		startWsBackend({ onRequest: (_, response) => response.writeHead(sick.has(name) ? 500 : 200).end() });
	return { sick, one: await start("one"), two: await start("two") };
}

test("on_unhealthy: close tells the connections of an endpoint that goes down to come back, and only those", async () => {
	const { sick, one, two } = await backends();
	const gateway = await startTestGateway(yaml([one.url, two.url], "close"));
	await until(() => gateway.lines.of("endpoint.up").length === 2, { what: "both endpoints up" });
	const clients = await Promise.all(Array.from({ length: 6 }, () => openWs(gateway.url())));
	sick.add("one");
	expect(await gateway.waitForLog("endpoint.down")).toMatchObject({ endpoint: one.id, reason: "status 500" });
	await until(() => clients.filter(({ closed }) => closed).length === 3, { what: "three clients to be told" });
	expect(clients.filter(({ closed }) => closed).map(({ closed }) => closed?.code)).toEqual([1001, 1001, 1001]);
	for (const record of gateway.lines.of("ws.close"))
		expect(record).toMatchObject({ endpoint: one.id, termination: "drain" });
	const again = await openWs(gateway.url());
	expect(gateway.lines.of("ws.open").at(-1)).toMatchObject({ endpoint: two.id });
	again.socket.terminate();
});

test("on_unhealthy: keep, the default, leaves them open", async () => {
	const { sick, one, two } = await backends();
	const gateway = await startTestGateway(yaml([one.url, two.url], "keep"));
	await until(() => gateway.lines.of("endpoint.up").length === 2, { what: "both endpoints up" });
	const clients = await Promise.all(Array.from({ length: 4 }, () => openWs(gateway.url())));
	sick.add("one");
	await gateway.waitForLog("endpoint.down");
	for (const client of clients) {
		client.socket.send("still here");
		expect(await client.next()).toBe("still here");
	}
});
