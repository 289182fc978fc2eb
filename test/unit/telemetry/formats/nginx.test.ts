import { describe, expect, it } from "vitest";
import { type ConnectionFacts, DETAILS } from "../../../../src/gateway/events.ts";
import { LogSink } from "../../../../src/telemetry/log.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "../events.fixtures.ts";

// Local time, whatever the zone of the machine is.
const TIME = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

/** What nginx's own documentation of `log_format combined` promises, as the tools that read it do. */
const COMBINED =
	/^(\S+) - (\S+) \[(\d{2}\/[A-Z][a-z]{2}\/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"$/;

const REQUESTED: ConnectionFacts = {
	...FACTS,
	[DETAILS]: { method: "GET", referer: "https://app.example.com/room", bodyBytes: 0 },
};

function recorded() {
	const lines: string[] = [];
	const sink = new LogSink({
		level: "debug",
		format: "nginx",
		now: () => TIME,
		write: (line) => lines.push(line),
	});
	return { sink, lines, last: () => lines.at(-1) as string };
}

describe("log lines as nginx's combined", () => {
	it("writes a WebSocket when it ends, as the 101 that it began with, and nothing when it opens", () => {
		const { sink, lines, last } = recorded();
		sink.open(REQUESTED, OPENED);
		expect(lines).toEqual([]);
		sink.close({ ...REQUESTED, user: "ada" }, CLOSED);
		const found = COMBINED.exec(last())?.slice(1);
		expect(found?.[2]).toMatch(/^02\/Jan\/2026:03:04:05 /);
		found?.splice(2, 1);
		expect(found).toEqual([
			"203.0.113.7",
			"ada",
			"GET /ws HTTP/1.1",
			"101",
			"20",
			"https://app.example.com/room",
			"test/1.0",
		]);
	});

	it("writes a refusal with its status and the bytes of its answer", () => {
		const { sink, last } = recorded();
		const details = { method: "GET", referer: undefined, bodyBytes: 77 };
		sink.reject({ ...FACTS, [DETAILS]: details }, REFUSED);
		expect(COMBINED.exec(last())?.slice(4)).toEqual(["GET /ws HTTP/1.1", "502", "77", "-", "test/1.0"]);
	});

	it("writes plain HTTP with its method and status", () => {
		const { sink, last } = recorded();
		const facts = { ...FACTS, [DETAILS]: { method: "POST", referer: undefined, bodyBytes: 0 } };
		sink.http(facts, { method: "POST", status: 200, duration_ms: 1, bytes_in: 0, bytes_out: 9 });
		expect(COMBINED.exec(last())?.slice(4, 7)).toEqual(["POST /ws HTTP/1.1", "200", "9"]);
	});

	it("has a line in the same form for a connection without a request", () => {
		const { sink, last } = recorded();
		const { connection_id, client_ip, peer_ip, listener } = FACTS;
		sink.reject({ connection_id, client_ip, peer_ip, listener }, { ...REFUSED, code: "TLS_FAILED", status: 400 });
		expect(COMBINED.exec(last())?.slice(4)).toEqual(["-", "400", "0", "-", "-"]);
	});

	it("writes other events as nginx writes its error log", () => {
		const { sink, last } = recorded();
		sink.notice("warn", "endpoint.down", { upstream: "pool", endpoint: "10.0.0.1:80", reason: 'said "no"\n' });
		expect(last()).toBe(
			`2026/01/02 03:04:05 [warn] ${process.pid}#0: endpoint.down upstream=pool endpoint=10.0.0.1:80 ${String.raw`reason="said \"no\"\u000a"`}`,
		);
		expect(last()).not.toMatch(COMBINED);
	});

	it("writes what is wrong with a configuration for reading, each problem once", () => {
		const { sink, last } = recorded();
		const problems = ['routes.yaml:3:7: unknown key, did you mean "match"?', "routes.yaml:9:1: no such upstream"];
		sink.notice("error", "config.rejected", { trigger: "file", message: problems[0], problems });
		expect(last()).toBe(
			`2026/01/02 03:04:05 [error] ${process.pid}#0: config.rejected trigger=file problems: ${problems.join(" | ")}`,
		);
	});
});
