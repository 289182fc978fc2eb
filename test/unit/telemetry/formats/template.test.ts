import { hostname } from "node:os";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LOG_VARIABLES } from "../../../../src/config/log-template.ts";
import { type ConnectionFacts, DETAILS, type RequestDetails } from "../../../../src/gateway/events.ts";
import { LogSink } from "../../../../src/telemetry/log.ts";
import { CLOSED, FACTS, OPENED, REFUSED } from "../events.fixtures.ts";

const TIME = new Date(2026, 0, 2, 3, 4, 5, 6).getTime();

function details(more: Partial<RequestDetails> = {}): RequestDetails {
	return { method: "GET", referer: "https://app.example.com/", bodyBytes: 0, ...more };
}

function requested(more: Partial<ConnectionFacts> = {}): ConnectionFacts {
	return { ...FACTS, [DETAILS]: details(), ...more };
}

function recorded(template: string) {
	const lines: string[] = [];
	const sink = new LogSink({
		level: "debug",
		format: "json",
		template,
		now: () => TIME,
		write: (line) => lines.push(line),
	});
	return { sink, lines, last: () => lines.at(-1) as string };
}

/** The line of a close, after its open. */
function closeLine(template: string, facts = requested(), report = CLOSED): string {
	const { sink, lines, last } = recorded(template);
	sink.open(facts, OPENED);
	sink.close(facts, report);
	expect(lines).toHaveLength(1);
	return last();
}

describe("log.template", () => {
	it("puts values where the variables are, and keeps the text between them", () => {
		expect(closeLine("$client_ip -> $endpoint: $close_code/$termination, $$5")).toBe(
			"203.0.113.7 -> 127.0.0.1:7001: 1000/normal, $5",
		);
	});

	it("takes a name in braces, so that text can stand next to it", () => {
		expect(closeLine(`\${duration_ms}ms\${close_code}`)).toBe("12345.6ms1000");
	});

	it.each<[string, string]>([
		["remote_addr", "203.0.113.7"],
		["realip_remote_addr", "10.0.0.2"],
		["remote_user", "-"],
		["request", "GET /ws HTTP/1.1"],
		["request_method", "GET"],
		["request_uri", "/ws"],
		["status", "101"],
		["body_bytes_sent", "20"],
		["bytes_in", "2048"],
		["http_referer", "https://app.example.com/"],
		["http_origin", "https://app.example.com"],
		["http_host", "chat.example.com"],
		["server_protocol", "HTTP/1.1"],
		["scheme", "http"],
		["ssl_protocol", "-"],
		["connection", "c1"],
		["upstream_addr", "127.0.0.1:7000, 127.0.0.1:7001"],
		["upstream_status", "101"],
		["upstream_connect_time", "0.002"],
		// From the request on: 12.3 ms of handshake and 12 345.6 ms of WebSocket.
		["request_time", "12.358"],
		["handshake_ms", "12.346"],
		["attempts", "127.0.0.1:7000:connect_failure:1.23456ms,127.0.0.1:7001:ok:2ms"],
		["time", new Date(TIME).toISOString()],
		["msec", (TIME / 1000).toFixed(3)],
		["pid", String(process.pid)],
		["hostname", hostname()],
		["event", "ws.close"],
		["level", "info"],
	])("$%s of a WebSocket that ended", (name, value) => {
		expect(closeLine(`$${name}`)).toBe(value);
	});

	it("writes local time as nginx does", () => {
		const [local, iso] = closeLine("$time_local|$time_iso8601").split("|") as [string, string];
		expect(local).toMatch(/^02\/Jan\/2026:03:04:05 [+-]\d{4}$/);
		expect(iso).toMatch(/^2026-01-02T03:04:05[+-]\d{2}:\d{2}$/);
		expect(Date.parse(iso)).toBe(Math.floor(TIME / 1000) * 1000);
	});

	it("tells a refusal and a plain request with the same variables", () => {
		const { sink, last } = recorded("$event $request_method $status $code $upstream_status $request_time $bytes_out");
		sink.reject(requested({ [DETAILS]: details({ bodyBytes: 12 }) }), { ...REFUSED, backend_status: 403 });
		expect(last()).toBe("ws.reject GET 502 CONNECT_FAILED 403 0.005 12");
		sink.http(requested({ [DETAILS]: details({ method: "POST" }) }), {
			method: "POST",
			status: 201,
			duration_ms: 4.6,
			bytes_in: 0,
			bytes_out: 9,
		});
		expect(last()).toBe("http.request POST 201 - 201 0.005 9");
	});

	it("writes - for what is not there, with every variable", () => {
		const { sink, last } = recorded(LOG_VARIABLES.map((name) => `$${name}`).join("\u00a7"));
		sink.reject({ connection_id: "c1", client_ip: "", peer_ip: "", listener: "l" }, { ...REFUSED, message: undefined });
		const values = last().split("\u00a7");
		expect(values).toHaveLength(LOG_VARIABLES.length);
		for (const [index, value] of values.entries()) {
			expect(value, LOG_VARIABLES[index]).not.toBe("");
			expect(value, LOG_VARIABLES[index]).not.toMatch(/undefined|null|NaN|\[object/);
		}
		expect(values[LOG_VARIABLES.indexOf("client_ip")]).toBe("-");
	});

	it("follows a reload, also into and out of a template", () => {
		const { sink, last } = recorded("$close_code");
		sink.configure({ level: "info", format: "json", template: "$termination" });
		sink.close(requested(), CLOSED);
		expect(last()).toBe("normal");
		sink.configure({ level: "info", format: "json" });
		sink.close(requested(), CLOSED);
		expect(JSON.parse(last())).toMatchObject({ event: "ws.close" });
	});

	it("keeps a quiet level quiet", () => {
		const { sink, lines } = recorded("$event");
		sink.configure({ level: "warn", format: "json", template: "$event" });
		sink.close(requested(), CLOSED);
		expect(lines).toEqual([]);
	});

	it("refuses a template that the check of the configuration refuses", () => {
		expect(() => recorded("$nothing")).toThrow("there is no variable $nothing");
	});
});

describe("values in a template", () => {
	it("are escaped as nginx does it, bytes of the head as they came", () => {
		const facts = requested({ user_agent: 'a"b\\c\r\n\u001b[31m\x7f\xe9' });
		expect(closeLine('"$user_agent"', facts)).toBe(String.raw`"a\x22b\x5Cc\x0D\x0A\x1B[31m\x7F\xE9"`);
	});

	it("are escaped as UTF-8 where they are text", () => {
		expect(closeLine("$close_reason", requested(), { ...CLOSED, close_reason: "adé\u2028" })).toBe(
			String.raw`ad\xC3\xA9\xE2\x80\xA8`,
		);
	});

	it("never forge a line or leave their quotes, whatever they hold", () => {
		const hostile = fc.string({
			unit: fc.oneof(fc.constantFrom('"', "\\", "\n", "\r", "\u001b", "\u0085", "\u2029", " ", "$"), fc.string()),
			maxLength: 40,
		});
		fc.assert(
			fc.property(hostile, hostile, (agent, reason) => {
				const facts = requested({
					user_agent: `x${agent}`,
					user: `x${agent}`,
					[DETAILS]: details({ referer: `x${reason}` }),
				});
				const line = closeLine('"$user_agent" "$http_referer" "$user" "$close_reason"', facts, {
					...CLOSED,
					close_reason: `x${reason}`,
				});
				expect(line).toMatch(/^[ -~]+$/);
				expect(line).toMatch(/^"x[^"]*" "x[^"]*" "x[^"]*" "x[^"]*"$/);
			}),
		);
	});

	it("are bounded", () => {
		const long = "x".repeat(5000);
		expect(closeLine("$http_referer", requested({ [DETAILS]: details({ referer: long }) })).length).toBeLessThan(530);
	});
});
