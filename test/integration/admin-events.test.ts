/** `GET events`: server-sent events of a running gateway. */
import { get, type IncomingMessage } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MAX_STREAMS } from "../../src/admin/api/events.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";

interface Received {
	readonly id: number;
	readonly event: string;
	readonly data: Record<string, unknown>;
}

interface Stream {
	readonly response: IncomingMessage;
	readonly events: Received[];
	/** All bytes so far. */
	text(): string;
	ended(): boolean;
	next(event: string): Promise<Received>;
}

/** A reader that follows the HTML standard as far as it is used here. */
function follow(
	{ adminPort }: Pick<TestGateway["handle"], "adminPort">,
	query = "",
	headers: Record<string, string> = {},
): Promise<Stream> {
	return new Promise((resolve, reject) => {
		const sent = get(
			{ host: "127.0.0.1", port: adminPort, path: `/api/v1/events${query}`, headers, agent: false },
			(response) => {
				let text = "";
				let rest = "";
				let ended = false;
				const events: Received[] = [];
				response.setEncoding("utf8");
				response.on("data", (chunk: string) => {
					text += chunk;
					const blocks = (rest + chunk).split("\n\n");
					rest = blocks.pop() as string;
					for (const block of blocks) {
						const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
						const data = field("data");
						if (data === undefined) continue;
						events.push({ id: Number(field("id")), event: field("event") ?? "", data: JSON.parse(data) });
					}
				});
				response.on("error", () => {});
				response.on("close", () => {
					ended = true;
				});
				resolve({
					response,
					events,
					text: () => text,
					ended: () => ended,
					next: (event) => until(() => events.find((each) => each.event === event), { what: `the event ${event}` }),
				});
			},
		);
		sent.on("error", reject);
		onTestFinished(() => void sent.destroy());
	});
}

async function chatGateway() {
	const backend = await startWsBackend();
	const gateway = await startTestGateway(adminYaml({ chat: [backend.url] }));
	return { backend, gateway };
}

describe("the stream", () => {
	test("tells opens, closes and refusals with the fields of the log, numbered", async () => {
		const { gateway } = await chatGateway();
		const stream = await follow(gateway.handle);
		expect(stream.response.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
		const client = await openWs(gateway.url("/chat?token=secret"));
		const opened = await stream.next("ws.open");
		expect(opened.data).toMatchObject({ event: "ws.open", route: "chat", client_ip: "127.0.0.1", path: "/chat" });
		client.socket.close(4321, "enough");
		const closed = await stream.next("ws.close");
		expect(closed.data).toMatchObject({
			connection_id: opened.data.connection_id,
			close_code: 4321,
			close_reason: "enough",
			close_initiator: "client",
			termination: "normal",
		});
		await expect(openWs(gateway.url("/nowhere"))).rejects.toThrow();
		expect((await stream.next("ws.reject")).data).toMatchObject({ status: 404, code: "NO_ROUTE" });
		expect(stream.events.map(({ id }) => id)).toEqual([1, 2, 3]);
		expect(stream.text()).not.toContain("secret");
	});

	test("tells drains, changes of endpoints and reloads", async () => {
		const backend = await startWsBackend();
		const yaml = adminYaml({ chat: [backend.url] });
		const gateway = await startReloadable(yaml);
		const stream = await follow(gateway.handle);
		await api(gateway.handle, "drain", { method: "POST", body: { endpoint: backend.id, spread: "0s" } });
		expect((await stream.next("endpoint.changed")).data).toMatchObject({ endpoint: backend.id, state: "drain" });
		expect((await stream.next("drain.start")).data).toMatchObject({ target: `endpoint ${backend.id}` });
		await stream.next("drain.end");
		await gateway.change(yaml.replace("spread: 0s", "spread: 1s"));
		await stream.next("config.reload");
		await gateway.change("nothing: at all");
		expect((await stream.next("config.rejected")).data.level).toBe("error");
	});

	test("gives only what is asked for, and the latest ones first when asked", async () => {
		const { gateway } = await chatGateway();
		const client = await openWs(gateway.url("/chat"));
		client.socket.close();
		await gateway.waitForLog("ws.close");
		await api(gateway.handle, "drain", { method: "POST" });
		const some = await follow(gateway.handle, "?event=ws.close,drain.&recent=50");
		await some.next("drain.end");
		expect(some.events.map(({ event }) => event)).toEqual(["ws.close", "drain.start", "drain.end"]);
		const last = await follow(gateway.handle, "?recent=1");
		await last.next("drain.end");
		expect(last.events).toHaveLength(1);
		const latest = await follow(gateway.handle, "?event=ws.&recent=1");
		await latest.next("ws.close");
		expect(latest.events).toHaveLength(1);
		for (const query of ["?event=", "?event=A", "?recent=257", "?evnt=ws.open"]) {
			expect((await api(gateway.handle, `events${query}`)).status, query).toBe(400);
		}
	});

	test("goes on behind the last event that a reader has seen", async () => {
		const { gateway } = await chatGateway();
		const stream = await follow(gateway.handle);
		await openWs(gateway.url("/chat"));
		const { id } = await stream.next("ws.open");
		stream.response.destroy();
		await api(gateway.handle, "drain", { method: "POST", body: { spread: "0s" } });
		await gateway.waitForLog("ws.close");
		const again = await follow(gateway.handle, "", { "last-event-id": String(id) });
		await again.next("ws.close");
		expect(again.events[0]?.id).toBe(id + 1);
		// A number from before a restart tells nothing.
		const confused = await follow(gateway.handle, "?recent=1", { "last-event-id": "999999" });
		await until(() => confused.events.length === 1, { what: "the latest event" });
	});

	test("is closed to pages of other sites, answers HEAD with its head, and is limited in number", async () => {
		const { gateway } = await chatGateway();
		expect((await api(gateway.handle, "events", { headers: { origin: "https://evil.example" } })).status).toBe(403);
		expect((await api(gateway.handle, "events", { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(403);
		expect(await api(gateway.handle, "events", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
		const streams = await Promise.all(Array.from({ length: MAX_STREAMS }, () => follow(gateway.handle)));
		expect(streams.every(({ response }) => response.statusCode === 200)).toBe(true);
		const refused = await api(gateway.handle, "events");
		expect([refused.status, refused.json.error.code]).toEqual([503, "TOO_MANY_STREAMS"]);
		streams[0]?.response.destroy();
		await until(async () => (await follow(gateway.handle)).response.statusCode === 200, { what: "a free place" });
	});

	test("ends when the gateway stops, without holding it up", async () => {
		const { gateway } = await chatGateway();
		const stream = await follow(gateway.handle);
		await within(gateway.stop(), { what: "the stop" });
		await until(stream.ended, { what: "the stream's end" });
	});

	test("gives a sign of life every fifteen seconds", async () => {
		const { gateway } = await chatGateway();
		vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
		try {
			const stream = await follow(gateway.handle);
			await until(() => stream.text().startsWith(": "), { what: "the first comment" });
			const before = stream.text().length;
			vi.advanceTimersByTime(15_000);
			await until(() => stream.text().slice(before) === ": still here\n\n", { what: "the heartbeat" });
		} finally {
			vi.useRealTimers();
		}
	});
});
