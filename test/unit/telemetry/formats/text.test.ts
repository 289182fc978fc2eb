import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogSink } from "../../../../src/telemetry/log.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "../events.fixtures.ts";

// Local time, whatever the zone of the machine is.
const TIME = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

function recorded(colour = false) {
	const lines: string[] = [];
	const sink = new LogSink({
		level: "debug",
		format: "text",
		now: () => TIME,
		colour,
		write: (line) => lines.push(line),
	});
	return { sink, last: () => lines.at(-1) as string };
}

describe("log lines as text", () => {
	it("starts a close with the way, the code, who, why and how long", () => {
		const { sink, last } = recorded();
		sink.close(FACTS, CLOSED);
		expect(last()).toMatch(
			/^03:04:05\.006 INFO ws\.close chat -> 127\.0\.0\.1:7001 1000 client normal 12\.3s in=2\.0KiB\/3msg out=20B\/1msg /,
		);
		expect(last()).toContain(" client_ip=203.0.113.7 peer_ip=10.0.0.2 ");
		expect(last()).toContain(" close_reason=bye ");
	});

	it("lists the attempts of an open", () => {
		const { sink, last } = recorded();
		sink.open(FACTS, OPENED);
		expect(last()).toMatch(/ INFO ws\.open chat -> 127\.0\.0\.1:7001 12\.3ms /);
		expect(last()).toContain(" attempts=127.0.0.1:7000:connect_failure:1.235ms,127.0.0.1:7001:ok:2ms ");
	});

	it("says where a rejection got to", () => {
		const { sink, last } = recorded();
		sink.reject({ ...FACTS, endpoint: undefined }, REFUSED);
		expect(last()).toMatch(/ WARN ws\.reject chat 502 CONNECT_FAILED 5ms .*message="connect ECONNREFUSED"$/);
		sink.reject({ ...FACTS, endpoint: undefined, route: undefined }, REFUSED);
		expect(last()).toMatch(/ WARN ws\.reject - 502 /);
	});

	it("does not repeat the client's address when there is no proxy in front", () => {
		const { sink, last } = recorded();
		sink.open({ ...FACTS, peer_ip: FACTS.client_ip }, OPENED);
		expect(last()).not.toContain("peer_ip");
	});

	it("shows plain HTTP with method and path", () => {
		const { sink, last } = recorded();
		sink.http(FACTS, { method: "GET", status: 200, duration_ms: 1.04, bytes_in: 0, bytes_out: 9 });
		expect(last()).toMatch(/ INFO http\.request chat -> 127\.0\.0\.1:7001 GET \/ws 200 1ms .*bytes_out=9$/);
	});

	it("writes other events as key=value, with quotes where a value is not one word", () => {
		const { sink, last } = recorded();
		sink.notice("error", "config.rejected", { file: "a b.yaml", count: 2, names: ["x", "y"], missing: undefined });
		expect(last()).toBe(`03:04:05.006 ERROR config.rejected file="a b.yaml" count=2 names=x,y`);
		sink.notice("info", "config.reload", { changed: { routes: ["chat", "my route"], upstreams: ["a"] }, drained: 0 });
		expect(last()).toBe(
			`03:04:05.006 INFO config.reload changed.upstreams=a drained=0 changed.routes: chat | my route`,
		);
	});

	it("writes what is wrong with a configuration for reading: each problem once, no quotes around it", () => {
		const { sink, last } = recorded();
		const problems = ['routes.yaml:3:7: routes[0].mach: unknown key, did you mean "match"?', "routes.yaml:9:1: a\nb"];
		sink.notice("error", "config.rejected", { trigger: "file", message: problems[0], problems });
		expect(last()).toBe(
			String.raw`03:04:05.006 ERROR config.rejected trigger=file problems: routes.yaml:3:7: routes[0].mach: unknown key, did you mean "match"? | routes.yaml:9:1: a\u000ab`,
		);
	});

	it.each([
		[999, "999ms"],
		[59_940, "59.9s"],
		[61_000, "1m1s"],
		[3_600_000 * 25 + 60_000, "25h1m"],
	])("shows %d ms as %s", (duration_ms, text) => {
		const { sink, last } = recorded();
		sink.close(FACTS, { ...CLOSED, duration_ms });
		expect(last()).toContain(` normal ${text} in=`);
	});

	it("escapes line breaks and terminal escapes", () => {
		const { sink, last } = recorded();
		sink.open({ ...FACTS, user_agent: 'a\r\n\u001b[31m\u009b"\\' }, OPENED);
		expect(last()).toContain(String.raw` user_agent="a\u000d\u000a\u001b[31m\u009b\"\\"`);
	});

	it("never lets a value of a client forge another field or line", () => {
		const { sink, last } = recorded();
		const hostile = fc.string({ unit: fc.constantFrom(" ", "=", '"', "\\", "\n", "\u001b", "\u0085", "\u2029", "x") });
		fc.assert(
			fc.property(hostile, (text) => {
				sink.close(FACTS, { ...CLOSED, close_reason: `x ${text}` });
				expect(last()).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
				const quoted = /close_reason=("(?:[^"\\]|\\.)*") client_close_code=1000 backend_close_code=1000$/.exec(last());
				expect(quoted).not.toBeNull();
			}),
		);
	});

	it("colours the level only when asked to", () => {
		const { sink, last } = recorded(true);
		sink.notice("warn", "endpoint.down", {});
		expect(last()).toBe("03:04:05.006 \u001b[33mWARN\u001b[0m endpoint.down");
	});
});
