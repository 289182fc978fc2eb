import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorCode } from "../../../src/errors.ts";
import { type LogOptions, LogSink } from "../../../src/telemetry/log.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "./events.fixtures.ts";

const NOON = Date.UTC(2026, 0, 2, 12, 0, 0, 7);

const COMMON = {
	time: "2026-01-02T12:00:00.007Z",
	connection_id: "c1",
	client_ip: "203.0.113.7",
	peer_ip: "10.0.0.2",
	listener: "public",
	route: "chat",
	upstream: "pool",
	endpoint: "127.0.0.1:7001",
	host: "chat.example.com",
	path: "/ws",
	origin: "https://app.example.com",
	user_agent: "test/1.0",
	http_version: "1.1",
};

function recorded(options: Partial<LogOptions> = {}) {
	const lines: string[] = [];
	const sink = new LogSink({
		level: "info",
		format: "json",
		now: () => NOON,
		write: (line) => lines.push(line),
		...options,
	});
	return { sink, lines, last: () => JSON.parse(lines.at(-1) as string) };
}

describe("log lines as JSON", () => {
	it("writes ws.open with exactly the documented fields, undefined ones left out", () => {
		const { sink, lines, last } = recorded();
		sink.open(FACTS, OPENED);
		expect(lines).toHaveLength(1);
		expect(last()).toEqual({
			...COMMON,
			level: "info",
			event: "ws.open",
			attempts: [
				{ endpoint: "127.0.0.1:7000", outcome: "connect_failure", ms: 1.235 },
				{ endpoint: "127.0.0.1:7001", outcome: "ok", ms: 2 },
			],
			handshake_ms: 12.346,
			connect_ms: 2,
		});
	});

	it("writes ws.close with exactly the documented fields", () => {
		const { sink, last } = recorded();
		sink.close(FACTS, CLOSED);
		expect(last()).toEqual({ ...COMMON, level: "info", event: "ws.close", ...CLOSED });
	});

	it("leaves out the close codes that nobody sent", () => {
		const { sink, last } = recorded();
		sink.close(FACTS, { ...CLOSED, client_close_code: undefined, backend_close_code: undefined });
		expect(last()).not.toHaveProperty("client_close_code");
		expect(last()).not.toHaveProperty("backend_close_code");
	});

	it("writes ws.reject with status, code and what the backend said", () => {
		const { sink, last } = recorded();
		sink.reject(FACTS, { ...REFUSED, code: "BACKEND_REFUSED", status: 403, backend_status: 403 });
		expect(last()).toEqual({
			...COMMON,
			level: "warn",
			event: "ws.reject",
			status: 403,
			code: "BACKEND_REFUSED",
			backend_status: 403,
			attempts: [],
			handshake_ms: 5,
			message: "connect ECONNREFUSED",
		});
	});

	it.each(Object.keys(ERRORS) as ErrorCode[])(
		"warns about a rejection only when it is not the client's doing: %s",
		(code) => {
			const { sink, last } = recorded();
			sink.reject(FACTS, { ...REFUSED, code, status: ERRORS[code].status });
			expect(last().level).toBe(ERRORS[code].side === "client" ? "info" : "warn");
		},
	);

	it("writes http.request", () => {
		const { sink, last } = recorded();
		sink.http(FACTS, { method: "POST", status: 200, duration_ms: 4.56789, bytes_in: 0, bytes_out: 9 });
		expect(last()).toEqual({
			...COMMON,
			level: "info",
			event: "http.request",
			method: "POST",
			status: 200,
			duration_ms: 4.568,
			bytes_in: 0,
			bytes_out: 9,
		});
	});

	it("writes a notice at its own level with its own fields", () => {
		const { sink, last } = recorded();
		sink.notice("error", "config.rejected", { file: "routes.yaml", problems: ["a", "b"], error: new Error("boom") });
		expect(last()).toEqual({
			time: COMMON.time,
			level: "error",
			event: "config.rejected",
			file: "routes.yaml",
			problems: ["a", "b"],
			error: "boom",
		});
	});

	it("never throws on a notice that JSON cannot hold", () => {
		const { sink, last } = recorded();
		const circular: Record<string, unknown> = { big: 1n };
		circular.self = circular;
		sink.notice("info", "endpoint.up", { circular });
		expect(last().event).toBe("endpoint.up");
	});

	it("bounds what a client chooses", () => {
		const { sink, last } = recorded();
		const long = "x".repeat(5000);
		sink.close({ ...FACTS, host: long, path: long, origin: long, user_agent: long }, { ...CLOSED, close_reason: long });
		for (const name of ["host", "path", "origin", "close_reason"]) expect(last()[name]).toHaveLength(512);
		expect(last().user_agent).toHaveLength(256);
		expect(last().path.endsWith("x…")).toBe(true);
	});

	it("does not cut a character in half when it bounds a text", () => {
		const { sink, last } = recorded();
		for (const lead of ["", "x"]) {
			sink.open({ ...FACTS, path: lead + "\u{1f600}".repeat(400) }, OPENED);
			expect(last().path.isWellFormed?.() ?? true).toBe(true);
			expect(last().path).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/);
			expect(last().path.length).toBeLessThanOrEqual(512);
		}
	});

	it("gives one parseable line without anything a terminal obeys, for any text", () => {
		const { sink, lines, last } = recorded();
		const strange = fc.string({
			unit: fc.constantFrom("\u009b", "\u001b", "\n", "\u202e", '"', "\\", "a", "ü", "\u2028"),
		});
		fc.assert(
			fc.property(strange, (text) => {
				lines.length = 0;
				sink.open({ ...FACTS, user_agent: text.slice(0, 200) }, OPENED);
				expect(lines[0]).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
				expect(last().user_agent).toBe(text.slice(0, 200));
			}),
		);
	});
});

describe("log levels", () => {
	it("leaves out what is below the level", () => {
		const { sink, lines } = recorded({ level: "warn" });
		sink.open(FACTS, OPENED);
		sink.close(FACTS, CLOSED);
		sink.http(FACTS, { method: "GET", status: 200, duration_ms: 1, bytes_in: 0, bytes_out: 0 });
		sink.notice("info", "endpoint.up", {});
		sink.reject(FACTS, { ...REFUSED, code: "NO_ROUTE", status: 404 });
		expect(lines).toEqual([]);
		sink.reject(FACTS, REFUSED);
		sink.notice("error", "config.rejected", {});
		expect(lines).toHaveLength(2);
	});

	it("takes over a new level and format", () => {
		const { sink, lines } = recorded({ level: "error" });
		sink.notice("debug", "first", {});
		sink.configure({ level: "debug", format: "text" });
		sink.notice("debug", "second", {});
		expect(lines).toEqual([expect.stringMatching(/ DEBUG second$/)]);
	});
});
