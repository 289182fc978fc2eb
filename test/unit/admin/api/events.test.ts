import { connect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventFeed } from "../../../../src/admin/api/event-feed.ts";
import { EventStreams, eventRoutes } from "../../../../src/admin/api/events.ts";
import { startAdmin } from "../../../../src/admin/server.ts";
import { until } from "../../../harness/poll.ts";
import { portOf } from "../client.fixtures.ts";

const facts = { connection_id: "1", client_ip: "192.0.2.1", peer_ip: "192.0.2.1", listener: "main", route: "chat" };

describe("EventFeed", () => {
	it("keeps the latest events for those that come back, and numbers them without gaps", () => {
		const feed = new EventFeed(() => 0);
		for (let i = 0; i < 300; i++) feed.notice("info", "endpoint.up", { i });
		expect(feed.lastId).toBe(300);
		expect(feed.after(297).map(({ id }) => id)).toEqual([298, 299, 300]);
		const kept = feed.after(0);
		expect(kept).toHaveLength(256);
		expect(JSON.parse(kept[0]?.json() ?? "")).toEqual({
			time: "1970-01-01T00:00:00.000Z",
			event: "endpoint.up",
			level: "info",
			i: 44,
		});
	});

	it("leaves out what is for the log only, and cuts what a client chose", () => {
		const feed = new EventFeed(() => 0);
		feed.notice("error", "internal.error", {});
		feed.notice("debug", "config.unchanged", {});
		expect(feed.lastId).toBe(0);
		feed.open({ ...facts, user_agent: "x".repeat(9000) }, { attempts: [], handshake_ms: 1, connect_ms: 1 });
		expect(feed.after(0)[0]?.json().length).toBeLessThan(1000);
	});

	it("puts an event's text together once, and only for readers", () => {
		const feed = new EventFeed(() => 0);
		let reads = 0;
		const report = {
			attempts: [],
			connect_ms: 1,
			get handshake_ms() {
				reads++;
				return 1;
			},
		};
		feed.open(facts, report);
		expect(reads).toBe(0);
		feed.follow((event) => event.json());
		feed.follow((event) => event.json());
		feed.open(facts, report);
		expect(reads).toBe(1);
	});
});

describe("EventStreams", () => {
	it("drops a reader that does not read, before it costs much memory; others notice nothing", async () => {
		const feed = new EventFeed(() => 0);
		const streams = new EventStreams(feed);
		const admin = await startAdmin({
			address: { host: "127.0.0.1", port: 0 },
			routes: eventRoutes(streams).map(({ route }) => route),
		});
		onTestFinished(() => admin.close());
		const open = (): { received(): number; pause(): void; closed(): boolean } => {
			const socket = connect(portOf(admin), "127.0.0.1");
			onTestFinished(() => void socket.destroy());
			let received = 0;
			let closed = false;
			socket.on("error", () => {});
			socket.on("close", () => {
				closed = true;
			});
			socket.on("data", (chunk) => {
				received += chunk.length;
			});
			socket.write("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
			return { received: () => received, pause: () => socket.pause(), closed: () => closed };
		};
		const [lazy, keen] = [open(), open()];
		await until(() => lazy.received() > 0 && keen.received() > 0, { what: "both streams" });
		lazy.pause();
		const before = process.memoryUsage().rss;
		const fields = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`field${i}`, "x".repeat(400)]));
		// Forty kilobytes each: far more than the kernel takes for a socket that nobody reads.
		for (let i = 0; i < 2000 && streams.size === 2; i++) {
			feed.notice("info", "endpoint.up", fields);
			const told = keen.received();
			await until(() => keen.received() > told, { what: "the keen reader" });
		}
		expect(streams.size).toBe(1);
		expect(keen.closed()).toBe(false);
		expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 ** 2);
	});
});
