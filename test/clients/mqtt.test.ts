/** MQTT over WebSocket: a broker behind the gateway. */
import { createServer } from "node:http";
import { Aedes } from "aedes";
import { connectAsync, type MqttClient } from "mqtt";
import { expect, onTestFinished, test } from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { listen } from "../harness/ws-backend.ts";

async function start() {
	const broker = await Aedes.createBroker();
	const http = createServer();
	const webSockets = new WebSocketServer({
		server: http,
		path: "/mqtt",
		handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false),
	});
	const subprotocols: string[] = [];
	webSockets.on("connection", (socket, request) => {
		subprotocols.push(socket.protocol);
		const stream = createWebSocketStream(socket);
		stream.on("error", () => {});
		broker.handle(stream, request);
	});
	const { port } = await listen(http, () => new Promise<void>((resolve) => broker.close(() => resolve())));
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { broker: { endpoints: ["ws://127.0.0.1:${port}"] } }
		routes: [{ name: mqtt, match: { path: /mqtt, subprotocol: mqtt }, upstream: broker, http: reject, timeouts: { idle: off } }]
	`);
	return { gateway, subprotocols, broker };
}

async function connect(url: string, clientId: string, options: Record<string, unknown> = {}): Promise<MqttClient> {
	const client = await connectAsync(url, { clientId, reconnectPeriod: 0, connectTimeout: 5_000, ...options });
	onTestFinished(() => void client.end(true));
	return client;
}

test("publish and subscribe with QoS 0, 1 and 2, and a payload of many frames", { timeout: 60_000 }, async () => {
	const { gateway, subprotocols } = await start();
	const subscriber = await connect(gateway.url("/mqtt"), "subscriber", { keepalive: 1 });
	const publisher = await connect(gateway.url("/mqtt"), "publisher");
	expect(subprotocols).toEqual(["mqtt", "mqtt"]);
	const received: [string, Buffer][] = [];
	subscriber.on("message", (topic, payload) => void received.push([topic, payload]));
	await subscriber.subscribeAsync("rooms/#", { qos: 2 });
	const big = Buffer.alloc(300_000, "abc");
	await publisher.publishAsync("rooms/0", "zero", { qos: 0 });
	await publisher.publishAsync("rooms/1", "one", { qos: 1 });
	await publisher.publishAsync("rooms/2", "two", { qos: 2 });
	await publisher.publishAsync("rooms/big", big, { qos: 1 });
	await until(() => received.length === 4, { what: "four messages" });
	expect(
		Object.fromEntries(received.map(([topic, payload]) => [topic, payload.length > 10 ? payload : String(payload)])),
	).toEqual({
		"rooms/0": "zero",
		"rooms/1": "one",
		"rooms/2": "two",
		"rooms/big": big,
	});
	expect((await gateway.waitForLog("ws.open")).subprotocol).toBe("mqtt");
	await Promise.all([subscriber.endAsync(), publisher.endAsync()]);
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.close")).toHaveLength(2);
});

test("a client that vanishes makes the broker publish its will", { timeout: 30_000 }, async () => {
	const { gateway } = await start();
	const watcher = await connect(gateway.url("/mqtt"), "watcher");
	const received: string[] = [];
	watcher.on("message", (topic, payload) => void received.push(`${topic}=${payload}`));
	await watcher.subscribeAsync("wills/+");
	const phone = await connect(gateway.url("/mqtt"), "phone", {
		will: { topic: "wills/phone", payload: Buffer.from("gone"), qos: 1, retain: false },
	});
	phone.on("error", () => {});
	phone.stream.destroy();
	await until(() => received.length > 0, { what: "the will" });
	expect(received).toEqual(["wills/phone=gone"]);
	await watcher.endAsync();
	await gateway.expectQuiet();
});
