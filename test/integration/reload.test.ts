import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import { certificate } from "../harness/certs.ts";
import { OPCODE } from "../harness/frames.ts";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";

async function echoes(client: RawClient, text: string): Promise<void> {
	client.sendFrame(OPCODE.text, text);
	expect((await client.readFrame()).text).toBe(text);
}

const yaml = (endpoints: string[], more = "", routes = ""): string => `
	listeners: [{ name: main, address: "127.0.0.1:0" }]
	upstreams:
	  chat: { endpoints: [${endpoints.map((url) => JSON.stringify(url)).join(", ")}] }
	  ${more}
	routes:
	  ${routes}
	  - { name: chat, match: { path_prefix: / }, upstream: chat, drain: { spread: 0s, timeout: 5s } }
`;

describe("a reload", () => {
	test("that changes another route leaves open connections alone, and new ones see it", async () => {
		const [one, two] = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
		const gateway = await startReloadable(yaml([one.url]));
		const client = await openRaw(gateway.port, "/");
		await gateway.change(
			yaml(
				[one.url],
				`other: { endpoints: ["${two.url}"] }`,
				"- { name: other, match: { path: /other }, upstream: other }",
			),
		);
		await echoes(client, "still here");
		const other = await openRaw(gateway.port, "/other");
		await echoes(other, "new route");
		expect(two.connections).toHaveLength(1);
		expect(gateway.lines.records.filter(({ event }) => event === "ws.close")).toEqual([]);
	});

	test("happens by itself when the file is written, and when it is replaced by a rename", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startReloadable(yaml([backend.url]));
		gateway.write(yaml([backend.url], "", "- { name: first, match: { path: /1 }, upstream: chat }"));
		await gateway.lines.waitFor(({ event, routes }) => event === "config.reload" && routes === 2);
		const file = join(gateway.folder, "routes.yaml");
		copyFileSync(file, `${file}.new`);
		gateway.write(yaml([backend.url]));
		await gateway.lines.waitFor(({ event, routes }) => event === "config.reload" && routes === 1);
		renameSync(`${file}.new`, file);
		await until(() => gateway.lines.records.filter(({ event }) => event === "config.reload").length === 3, {
			what: "the third reload",
		});
	});

	test("of an equal file, written differently, is none", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startReloadable(yaml([backend.url]));
		gateway.write(`# a comment\n${yaml([backend.url])}`);
		expect(await gateway.handle.reload("signal")).toEqual({ result: "unchanged", problems: [] });
		expect(gateway.lines.records.filter(({ event }) => event === "config.reload")).toEqual([]);
	});

	test("of a bad file changes nothing and says where the mistake is", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startReloadable(yaml([backend.url]));
		const client = await openRaw(gateway.port);
		gateway.write(yaml([backend.url]).replace("upstream: chat", "upstream: chta"));
		const rejected = await gateway.lines.waitFor("config.rejected");
		expect(rejected.message).toMatch(/routes\.yaml:\d+:\d+: routes\[0\]\.upstream: .*chat/);
		await echoes(client, "untouched");
		await echoes(await openRaw(gateway.port), "the old configuration serves");
	});

	test("that removes an endpoint tells only its connections to come back, with 1001", async () => {
		const backends = [await startRawBackend(echoingFrames()), await startRawBackend(echoingFrames())];
		const urls = backends.map(({ url }) => url);
		const gateway = await startReloadable(yaml(urls));
		const clients = await Promise.all(Array.from({ length: 6 }, () => openRaw(gateway.port)));
		await gateway.change(yaml([urls[1] as string]));
		const gone = backends[0]?.id;
		await until(() => clients.filter((client) => client.unread.length > 0).length === 3, {
			what: "three clients to be told",
		});
		const told = clients.filter((client) => client.unread.length > 0);
		expect(told).toHaveLength(3);
		for (const client of told) {
			const close = await client.readFrame();
			expect(close).toMatchObject({ closeCode: 1001, text: "service restart" });
			client.sendClose(1001);
			client.end();
		}
		await until(() => gateway.handle.connectionCount() === 3, { what: "the endpoint's connections to end" });
		for (const record of gateway.lines.records.filter(({ event }) => event === "ws.close")) {
			expect(record).toMatchObject({
				endpoint: gone,
				termination: "drain",
				close_initiator: "gateway",
				close_code: 1001,
			});
		}
		for (const client of clients) if (!told.includes(client)) await echoes(client, "did not notice");
	});

	test("that removes a route drains its connections; one that moves to another upstream too", async () => {
		const backend = await startRawBackend(echoingFrames());
		const more = `spare: { endpoints: ["${backend.url}"] }`;
		const route = (name: string, upstream: string) =>
			`- { name: ${name}, match: { path: /${name} }, upstream: ${upstream}, drain: { spread: 0s, timeout: 5s } }`;
		const gateway = await startReloadable(
			yaml([backend.url], more, `${route("a", "spare")}\n\t  ${route("b", "spare")}`),
		);
		const [a, b, chat] = [
			await openRaw(gateway.port, "/a"),
			await openRaw(gateway.port, "/b"),
			await openRaw(gateway.port, "/chat"),
		];
		await gateway.change(yaml([backend.url], more, route("b", "chat")));
		expect(await a.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
		expect(await b.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
		await echoes(chat, "not concerned");
	});

	test("that puts a route before a nameless one does not take the nameless one for another", async () => {
		const backend = await startRawBackend(echoingFrames());
		const config = (first: string) => `
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { chat: { endpoints: ["${backend.url}"] }, other: { endpoints: ["${backend.url}"] } }
			routes:
			  ${first}
			  - { match: { path_prefix: /chat }, upstream: chat }
		`;
		const gateway = await startReloadable(config(""));
		const client = await openRaw(gateway.port, "/chat");
		await gateway.change(config("- { match: { path_prefix: /other }, upstream: other }"));
		await echoes(client, "the same route as before");
		expect(gateway.lines.records.find(({ event }) => event === "config.reload")).toMatchObject({ drained: 0 });
	});

	test("opens a new listener and closes a removed one; connections on it stay", async () => {
		const backend = await startRawBackend(echoingFrames());
		const both = yaml([backend.url]).replace("listeners: [", 'listeners: [{ name: second, address: "127.0.0.1:0" }, ');
		const gateway = await startReloadable(yaml([backend.url]));
		await gateway.change(both);
		const second = gateway.handle.ports.second as number;
		const client = await openRaw(second);
		await echoes(await openRaw(gateway.handle.ports.main as number), "the old listener");
		await gateway.change(yaml([backend.url]));
		expect(await accepts(second)).toBe(false);
		await echoes(client, "open before the listener went");
	});

	test("that cannot open a new listener changes nothing", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startReloadable(yaml([backend.url]));
		await gateway.change(
			yaml([backend.url], 'spare: { endpoints: ["ws://127.0.0.1:1"] }').replace(
				"listeners: [",
				`listeners: [{ name: taken, address: "127.0.0.1:${backend.port}" }, `,
			),
		);
		const rejected = gateway.lines.records.find(({ event }) => event === "config.rejected");
		expect(rejected?.message, "not the warning that stands before it").toMatch(/cannot listen on 127\.0\.0\.1/);
		expect(rejected?.problems).toEqual([expect.stringContaining("warning: no route uses"), rejected?.message]);
		await echoes(await openRaw(gateway.port), "the old listener");
	});

	test("swaps a certificate when its files change: new handshakes see it, open sockets stay", async () => {
		const backend = await startRawBackend(echoingFrames());
		const [first, second] = [await certificate(["one.test"]), await certificate(["one.test"])];
		const tls = `listeners: [{ address: "127.0.0.1:0", tls: { certificates: [{ cert: a.pem, key: a.key }] } }]`;
		const gateway = await startReloadable(yaml([backend.url]).replace(/listeners: .*/, tls), (folder) => {
			writeFileSync(join(folder, "a.pem"), first.cert);
			writeFileSync(join(folder, "a.key"), first.key);
		});
		const serial = () =>
			new Promise<string>((resolve, reject) => {
				const socket = connectTls({ port: gateway.port, rejectUnauthorized: false, servername: "one.test" }, () => {
					resolve(socket.getPeerCertificate().serialNumber);
					socket.destroy();
				}).on("error", reject);
			});
		const before = await serial();
		const client = await openRaw(gateway.port, "/", { tls: true });
		writeFileSync(join(gateway.folder, "a.key"), second.key);
		writeFileSync(join(gateway.folder, "a.pem"), second.cert);
		await gateway.lines.waitFor("config.reload");
		await until(async () => (await serial()) !== before, { what: "the new certificate" });
		await echoes(client, "opened with the old certificate");
	});

	test("takes over the limits of a listener that stays", async () => {
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startReloadable(yaml([backend.url]));
		const client = await openRaw(gateway.port);
		await gateway.change(yaml([backend.url]).replace('127.0.0.1:0"', '127.0.0.1:0", max_header_size: 1KiB'));
		const refused = await openRaw(gateway.port, "/", { headers: { "X-Long": "x".repeat(2_000) } }).catch(String);
		expect(refused).toContain("431");
		await echoes(client, "same listener");
	});
});
