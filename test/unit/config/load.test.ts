import { describe, expect, it } from "vitest";
import { readConfig } from "../../../src/config/load.ts";
import { configOf, problemLines, routeWith, SMALLEST } from "./problem-lines.ts";

describe("the smallest file", () => {
	it("is accepted, and every default is filled in", () => {
		const config = configOf(SMALLEST);
		expect(config.listeners).toEqual([
			{
				name: "listener-1",
				address: { port: 8080 },
				timeouts: { request_headers: 10_000, tls_handshake: 10_000 },
				max_header_size: 16_384,
				max_connections: 100_000,
			},
		]);
		expect(config.shutdown).toEqual({
			delay: 0,
			drain: { timeout: 30_000, spread: 20_000, close_code: 1001, reason: "service restart" },
		});
		expect(config.log).toEqual({ level: "info", format: "json" });
		expect(config.trusted_proxies).toEqual([]);
		expect(config.admin).toBeUndefined();
		expect(config.upstreams.chat?.tls).toEqual({ verify: true });
		expect(config.routes).toHaveLength(1);
		expect(config.routes[0]).toMatchObject({
			name: "route-1",
			upstream: "chat",
			http: "forward",
			timeouts: {
				connect: 5_000,
				handshake: 10_000,
				idle: 3_600_000,
				lifetime: Number.POSITIVE_INFINITY,
				close: 5_000,
			},
			ping: { interval: 20_000, timeout: 20_000, sides: ["client"] },
			retries: {
				attempts: 3,
				on: ["connect_failure", "handshake_timeout", "bad_handshake", "502", "503", "504"],
			},
			drain: { timeout: 30_000, spread: 20_000, close_code: 1001, reason: "service restart" },
			close_codes: { backend_lost: "pass", client_lost: "pass", overload: 1013, auth_expired: 4401 },
			request_headers: { set: {}, remove: [] },
			response_headers: { set: {}, remove: [] },
		});
	});

	it("does not carry `defaults` on", () => {
		expect(configOf(`${SMALLEST}defaults: { http: reject }\n`)).not.toHaveProperty("defaults");
	});
});

describe("a value", () => {
	it("may be short: one text for a list, a URL for an endpoint, a number for a status", () => {
		const config = configOf(
			routeWith("retries: { on: [502, bad_handshake] }\n    response_headers: { remove: Server }"),
		);
		expect(config.routes[0]?.retries.on).toEqual(["502", "bad_handshake"]);
		expect(config.routes[0]?.response_headers.remove).toEqual(["Server"]);
	});

	it("has one shape for ping: off too", () => {
		const off = { interval: Number.POSITIVE_INFINITY, timeout: Number.POSITIVE_INFINITY, sides: [] };
		expect(configOf(routeWith("ping: off")).routes[0]?.ping).toEqual(off);
		expect(configOf(routeWith("ping: false")).routes[0]?.ping).toEqual(off);
	});

	it("never has a spread longer than the timeout", () => {
		expect(configOf(routeWith("drain: { timeout: 5s }")).routes[0]?.drain).toMatchObject({
			timeout: 5000,
			spread: 5000,
		});
	});

	it("comes from the environment, as the number it is", () => {
		const text = SMALLEST.replace(
			/listeners.*/,
			`listeners:\n  - address: \${ADDRESS:-:0}\n    max_connections: \${MAX}`,
		);
		expect(configOf(text, { MAX: "7" }).listeners[0]).toMatchObject({ address: { port: 0 }, max_connections: 7 });
	});
});

describe("names", () => {
	it("are given by position to the nameless", () => {
		const config = configOf(`listeners: [{ address: ":1" }, { address: ":2", name: x }, { address: ":3" }]
upstreams: { chat: { endpoints: ["ws://a:1"] } }
routes:
  - { name: a, match: { path: /a }, upstream: chat }
  - { match: { path: /b }, upstream: chat }
`);
		expect(config.listeners.map(({ name }) => name)).toEqual(["listener-1", "x", "listener-3"]);
		expect(config.routes.map(({ name }) => name)).toEqual(["a", "route-2"]);
	});

	it("are there once", () => {
		expect(
			problemLines(`listeners: [{ address: ":1", name: x }, { address: ":2", name: x }]
upstreams: { chat: { endpoints: ["ws://a:1"] } }
routes:
  - { name: route-2, match: { path: /a }, upstream: chat }
  - { match: { path: /b }, upstream: chat }
`),
		).toEqual([
			'1:64: listeners[1].name: the name "x" is taken by listeners[0]',
			'5:5: routes[1].name: the name "route-2" is taken by routes[0]',
		]);
	});
});

it("an unused upstream is a warning, and the configuration can be used", () => {
	const text = SMALLEST.replace("} }\n", '}, old: { endpoints: ["ws://b:1"] } }\n');
	expect(problemLines(text)).toEqual(["2:60: upstreams.old: warning: no route uses this upstream"]);
	expect(configOf(text).upstreams).toHaveProperty("old");
});

it("a configuration file that is not there is one problem", () => {
	expect(readConfig("/nonexistent/routes.yaml", {})).toEqual({
		problems: [
			{
				file: "/nonexistent/routes.yaml",
				line: 1,
				col: 1,
				path: "",
				message: "cannot read the configuration: no such file",
				severity: "error",
			},
		],
		files: [],
		contents: new Map(),
	});
});
