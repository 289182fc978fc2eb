/** `GET events` over several workers. */
import { expect, it, onTestFinished } from "vitest";
import { EventFeed } from "../../../../src/admin/api/event-feed.ts";
import { GatewayFeed } from "../../../../src/supervisor/admin/events.ts";
import { EventRelay } from "../../../../src/supervisor/admin/relay.ts";
import { until } from "../../../harness/poll.ts";
import { TestWorkers } from "./workers.fixtures.ts";

const facts = { connection_id: "1", client_ip: "192.0.2.1", peer_ip: "192.0.2.1", listener: "main", route: "chat" };
const opened = { attempts: [], handshake_ms: 1, connect_ms: 1 };

/** A supervisor's feed and workers with theirs. */
function gateway(count: number) {
	const clock = { now: 1_000 };
	const own = new EventFeed(() => clock.now);
	const workers = new TestWorkers();
	const gatewayFeed = new GatewayFeed(own, workers, () => workers.list());
	onTestFinished(() => gatewayFeed.close());
	const start = (number: number) => {
		const worker = workers.start(number);
		const feed = new EventFeed(() => clock.now);
		const relay = new EventRelay(feed, worker.channel);
		worker.channel.handle("follow", (on) => relay.follow(on));
		return { worker, feed, open: () => feed.open(facts, opened) };
	};
	const started = Array.from({ length: count }, (_, index) => start(index + 1));
	const seen = () => gatewayFeed.feed.after(0);
	return { clock, own, gatewayFeed, started, seen };
}

it("has what every worker and the supervisor tell, with rising ids", async () => {
	const { own, gatewayFeed, started, seen } = gateway(2);
	await gatewayFeed.begin();
	for (const { open } of started) open();
	own.notice("info", "config.reload", {});
	await until(() => seen().length === 3, { what: "three events" });
	expect(seen().map(({ id }) => id)).toEqual([1, 2, 3]);
	expect(
		seen()
			.map(({ name }) => name)
			.toSorted(),
	).toEqual(["config.reload", "ws.open", "ws.open"]);
	expect(JSON.parse(seen()[2]?.json() ?? "")).toMatchObject({ event: "ws.open", route: "chat" });
});

it("has what happened before somebody read, in the order of time", async () => {
	const { clock, own, gatewayFeed, started, seen } = gateway(2);
	started[1]?.open();
	clock.now++;
	own.notice("warn", "endpoint.down", {});
	clock.now++;
	started[0]?.open();
	await gatewayFeed.begin();
	expect(seen().map(({ name, time }) => [name, time])).toEqual([
		["ws.open", 1_000],
		["endpoint.down", 1_001],
		["ws.open", 1_002],
	]);
});

it("lets workers be silent while nobody reads, and tells nothing twice afterwards", async () => {
	const { gatewayFeed, started, seen } = gateway(1);
	await gatewayFeed.begin();
	started[0]?.open();
	await until(() => seen().length === 1, { what: "the first event" });
	gatewayFeed.close();
	let told = 0;
	started[0]?.worker.handle.channel.handle("events", () => void told++);
	// Until it knows.
	await started[0]?.worker.handle.channel.call("follow", false);
	started[0]?.open();
	await new Promise((resolve) => setTimeout(resolve, 250));
	expect(told).toBe(0);
	await gatewayFeed.begin();
	expect(seen()).toHaveLength(2);
});

it("drops opens and closes when there are too many to follow, says how many, and never drops other events", async () => {
	const { gatewayFeed, started, seen } = gateway(1);
	await gatewayFeed.begin();
	for (let i = 0; i < 1_000; i++) started[0]?.open();
	started[0]?.feed.notice("warn", "breaker.open", {});
	const dropped = await until(() => seen().find(({ name }) => name === "events.dropped"), { what: "the number" });
	expect(JSON.parse(dropped.json())).toMatchObject({ worker: 1, dropped: 900 });
	expect(seen().filter(({ name }) => name === "ws.open")).toHaveLength(100);
	expect(seen().filter(({ name }) => name === "breaker.open")).toHaveLength(1);
});

it("begins also when a worker dies meanwhile", async () => {
	const { gatewayFeed, started, seen } = gateway(2);
	started[0]?.open();
	const begun = gatewayFeed.begin();
	started[1]?.worker.kill();
	await begun;
	expect(seen()).toHaveLength(1);
});
