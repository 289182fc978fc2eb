import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ServerSentEventReader } from "../../../dashboard/src/api/server-sent-events.ts";
import { eventLine } from "../../../dashboard/src/text/event-line.ts";
import { silentWorkersText } from "../../../dashboard/src/text/words.ts";

const STREAM =
	': hello\n\nid: 1\nevent: ws.open\ndata: {"a":1}\n\nid: 2\nevent: ws.close\ndata: one\ndata: two\n\n: still here\n\nid: 3\ndata:x\r\n\r\n';
const EVENTS = [
	{ id: "1", event: "ws.open", data: '{"a":1}' },
	{ id: "2", event: "ws.close", data: "one\ntwo" },
	{ id: "3", event: "", data: "x" },
];

describe("a stream of server-sent events", () => {
	it("is read the same whatever its chunks are", () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length })), (cuts) => {
				const reader = new ServerSentEventReader();
				const places = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
				const events = places.flatMap((place, index) => reader.push(STREAM.slice(place, places[index + 1] ?? place)));
				expect(events).toEqual(EVENTS);
			}),
		);
	});

	it("does not pile up a line without end", () => {
		const reader = new ServerSentEventReader();
		expect(() => {
			for (let i = 0; i < 20; i++) reader.push("x".repeat(100_000));
		}).toThrow(RangeError);
	});
});

describe("an event in one line", () => {
	const line = (name: string, fields: object) =>
		eventLine("1", name, JSON.stringify({ time: "2030-01-01T00:00:00Z", ...fields }));

	it("tells of a close who began, with which code, and why", () => {
		const close = {
			connection_id: "c1",
			client_ip: "10.0.0.1",
			close_code: 1006,
			close_reason: "",
			close_initiator: "backend",
			termination: "backend_drop",
			duration_ms: 61_000,
			messages_in: 1,
			messages_out: 20,
			bytes_in: 100,
			bytes_out: 924,
		};
		expect(line("ws.close", close)).toMatchObject({
			tone: "warn",
			connectionId: "c1",
			text: "10.0.0.1: 1006 no Close frame by the backend, backend vanished; 1m 1s, 1 message in, 20 out, 1.0 KiB",
		});
		for (const termination of ["normal", "backend_end"]) {
			expect(line("ws.close", { ...close, termination }).tone).toBe("none");
		}
		expect(line("ws.close", { ...close, termination: "worker_lost" })).toMatchObject({
			tone: "warn",
			text: expect.stringContaining("worker process ended"),
		});
	});

	it("tells of a rejection the status, the code and the reason", () => {
		const text = "10.0.0.1 a.example/x: 404 NO_ROUTE, no route matches";
		const fields = { client_ip: "10.0.0.1", host: "a.example", path: "/x", status: 404, code: "NO_ROUTE" };
		expect(line("ws.reject", { ...fields, message: "no route matches" })).toMatchObject({ tone: "warn", text });
	});

	it("writes out what it does not know, and survives what is no JSON", () => {
		expect(line("drain.end", { level: "info", drain: 1, target: "route a", duration_ms: 5_964 }).text).toBe(
			"drain 1, target route a, duration 5s",
		);
		expect(eventLine("1", "endpoint.new", "{").tone).toBe("busy");
	});

	it("tells of a reload what changed, and of a rejected file the first problem and how many more there are", () => {
		const changed = { routes: ["chat", "game"], upstreams: ["pool"] };
		expect(line("config.reload", { trigger: "file", changed, drained: 2 }).text).toBe(
			"trigger file, changed routes chat, game, changed upstreams pool, drained 2",
		);
		const problems = ["routes.yaml:3:1: wrong", "b", "c"];
		expect(line("config.rejected", { message: problems[0], problems }).text).toBe("routes.yaml:3:1: wrong, and 2 more");
		expect(line("config.rejected", { message: "no", problems: ["no"] }).text).toBe("no");
	});

	it("names the workers that do not answer, since what is shown lacks their part", () => {
		expect(silentWorkersText([2])).toMatch(/^Worker 2 does not answer\. Its connections are missing /);
		expect(silentWorkersText([2, 3])).toMatch(/^Worker 2, 3 do not answer\. Their /);
	});
});
