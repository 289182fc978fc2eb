import { describe, expect, it } from "vitest";
import { configOf, problemLines, SMALLEST } from "../problem-lines.ts";

const ENDPOINTS = 'endpoints: ["ws://127.0.0.1:7001"]';
const withUpstream = (keys: string): string => SMALLEST.replace(ENDPOINTS, keys);
const withCheck = (check: string, more = ""): string => withUpstream(`${ENDPOINTS}, health_check: { ${check} }${more}`);

describe("health_check", () => {
	it("as documented has no problem", () => {
		const text = withCheck(
			"type: websocket, path: /health, port: 8080, interval: 5s, timeout: 2s, healthy_threshold: 2, unhealthy_threshold: 3, expected_statuses: [200], jitter: 10%",
			", on_unhealthy: close",
		);
		expect(problemLines(text)).toEqual([]);
		expect(configOf(text).upstreams.chat).toMatchObject({
			on_unhealthy: "close",
			health_check: { type: "websocket", interval: 5_000, jitter: 10 },
		});
	});

	it.each([
		[withCheck("type: tcp, path: /"), /health_check\.path: warning: has no effect with type: tcp$/],
		[withCheck("type: tcp, expected_statuses: [204]"), /expected_statuses: warning: has no effect with type: tcp$/],
		[withCheck("type: tcp, host: a"), /health_check\.host: warning: has no effect with type: tcp$/],
		[withCheck("type: http, subprotocol: a"), /subprotocol: warning: has no effect with type: http$/],
		[withCheck("type: http, interval: 1s, timeout: 1500ms"), /health_check\.timeout: warning: is longer than interval/],
		[withCheck("type: http, timeout: 6s"), /health_check\.timeout: warning: is longer than interval/],
		[withUpstream(`${ENDPOINTS}, on_unhealthy: close`), /on_unhealthy: warning: has no effect without health_check$/],
	])("warns of what has no effect: %s", (text, warning) => {
		const lines = problemLines(text);
		expect(lines).toHaveLength(1);
		expect(lines[0]).toMatch(warning);
		configOf(text);
	});

	it.each(["type: http, interval: 100ms", "type: http, interval: 3s, timeout: 3s", "type: tcp, port: 1"])(
		"says nothing of { %s }",
		(check) => {
			expect(problemLines(withCheck(check))).toEqual([]);
		},
	);

	it("refuses a port for a unix socket", () => {
		const text = withUpstream('endpoints: ["ws+unix:/run/a"], health_check: { type: tcp, port: 80 }');
		expect(problemLines(text)[0]).toMatch(/health_check\.port: a ws\+unix: endpoint has no port/);
	});

	it("refuses what it does not know, with the place", () => {
		expect(problemLines(withCheck("type: htttp"))[0]).toMatch(/^2:\d+: upstreams\.chat\.health_check\.type: /);
		expect(problemLines(withCheck("type: tcp, intervall: 5s"))[0]).toMatch(/did you mean "interval"\?/);
	});
});

describe("discovery", () => {
	it("is enough: an upstream with it needs no endpoints", () => {
		const text = withUpstream("discovery: { type: dns, name: chat.internal, port: 8080, record: a, interval: 10s }");
		expect(problemLines(text)).toEqual([]);
		expect(configOf(text).upstreams.chat).toMatchObject({ endpoints: [], discovery: { scheme: "ws" } });
	});

	it.each([
		["discovery: { type: consul, name: a }", /discovery\.type/],
		["discovery: { type: dns, name: a, record: srv, port: 80 }", /port: an SRV record has its own port/],
		["discovery: { type: dns, name: a, srevers: [] }", /did you mean "servers"\?/],
		["discovery: { type: dns }", /discovery\.name: is missing/],
	])("%s is refused", (keys, problem) => {
		expect(problemLines(withUpstream(keys))[0]).toMatch(problem);
	});
});
