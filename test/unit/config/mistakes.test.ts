import { describe, expect, it } from "vitest";
import { BEFORE_ROUTES, problemLines, routeWith, SMALLEST } from "./problem-lines.ts";

describe("a mistake is reported at its place:", () => {
	it.each<[string, string, string]>([
		[
			"an unknown key at the key",
			routeWith("upstrem: chat"),
			'6:5: routes[0].upstrem: unknown key "upstrem", did you mean "upstream"?',
		],
		[
			"a wrong value at the value",
			routeWith("http: forwrd"),
			'6:11: routes[0].http: expected one of forward, reject, did you mean "forward"?',
		],
		[
			"a missing key at the map",
			SMALLEST.replace('address: ":8080"', "name: a"),
			'1:13: listeners[0].address: is missing: expected "host:port", ":port", "[::1]:443" or "unix:/path"',
		],
		["an empty value at its key", routeWith("timeouts:"), "6:5: routes[0].timeouts: expected a map, got nothing"],
		[
			"a number for a text",
			routeWith("request_headers: { set: { X-A: 5 } }"),
			"6:36: routes[0].request_headers.set.X-A: expected text, got a number; put quotes around it",
		],
		[
			"a text for a number",
			routeWith('retries: { attempts: "3" }'),
			"6:26: routes[0].retries.attempts: expected a number, got text; leave the quotes out",
		],
		[
			"a word of YAML 1.1 for true or false",
			routeWith("allow_missing_origin: no"),
			"6:27: routes[0].allow_missing_origin: expected true or false, got text; write true or false, without quotes",
		],
		["a list for a map", routeWith("drain: [5s]"), "6:12: routes[0].drain: expected a map, got a list"],
		[
			"a duration without unit",
			routeWith("timeouts: { idle: 60 }"),
			"6:23: routes[0].timeouts.idle: a duration needs a unit: write 60s or 60ms",
		],
		[
			"a timeout of 0",
			routeWith("timeouts: { idle: 0 }"),
			"6:23: routes[0].timeouts.idle: has to be longer than 0; write off to switch it off",
		],
		[
			"a timeout that has to end",
			routeWith("timeouts: { connect: off }"),
			"6:26: routes[0].timeouts.connect: off is not possible here",
		],
		[
			"a close code that is never sent",
			routeWith("drain: { close_code: 1006 }"),
			"6:26: routes[0].drain.close_code: expected a close code that may be sent: 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999",
		],
		[
			"a reason that is too long",
			routeWith(`drain: { reason: ${"x".repeat(124)} }`),
			"6:22: routes[0].drain.reason: a close reason has at most 123 bytes of UTF-8 (RFC 6455 section 5.5)",
		],
		[
			"a spread longer than the timeout",
			routeWith("drain: { timeout: 1s, spread: 5s }"),
			"6:35: routes[0].drain.spread: spread (5s) cannot be longer than timeout (1s)",
		],
		[
			"no try at all",
			routeWith("retries: { attempts: 0 }"),
			"6:26: routes[0].retries.attempts: attempts counts every try, so it is at least 1 (no retry)",
		],
		[
			"a retry on a 4xx",
			routeWith("retries: { on: [502, 404] }"),
			"6:26: routes[0].retries.on[1]: expected connect_failure, handshake_timeout, bad_handshake or a status from 500 to 599",
		],
		[
			"a retry word",
			routeWith("retries: { on: [connect] }"),
			"6:21: routes[0].retries.on[0]: expected connect_failure, handshake_timeout, bad_handshake or a status from 500 to 599",
		],
		[
			"a header of the handshake",
			routeWith("request_headers: { remove: [Connection] }"),
			"6:33: routes[0].request_headers.remove[0]: Connection cannot be changed here: it belongs to one connection and is written by the gateway",
		],
		[
			"a header that would split the head",
			routeWith('response_headers: { set: { X-A: "a\\r\\nb" } }'),
			"6:37: routes[0].response_headers.set.X-A: a header value cannot hold line breaks or control characters",
		],
		[
			"a header's name, at the key",
			routeWith('response_headers: { set: { "X A": a } }'),
			'6:32: routes[0].response_headers.set["X A"]: a header name is made of letters, digits and hyphens',
		],
		["too many workers", `workers: 65\n${SMALLEST}`, "1:10: workers: has to be at most 64"],
		[
			"workers in words",
			`workers: many\n${SMALLEST}`,
			"1:10: workers: expected auto or a number of processes from 1 to 64",
		],
		["an unknown key", `worker: 2\n${SMALLEST}`, '1:1: worker: unknown key "worker", did you mean "workers"?'],
		[
			"an x- key",
			`x-note: 2\n${SMALLEST}`,
			'1:1: x-note: unknown key "x-note"; possible here: workers, trusted_proxies, shutdown, log, admin, listeners, defaults, upstreams, hubs, hub_api, routes',
		],
		[
			"upstream and split",
			routeWith("split: [{ upstream: chat }]"),
			"6:5: routes[0].split: split cannot stand next to upstream: write one of them",
		],
		[
			"neither upstream nor split",
			`${BEFORE_ROUTES}routes:\n  - match: { path: /a }\n`,
			"4:5: routes[0]: needs one of upstream, split and hub",
		],
		["no routes", `${BEFORE_ROUTES}routes: []\n`, "3:9: routes: expected at least one route"],
		[
			"an upstream that is not there",
			SMALLEST.replace("upstream: chat", "upstream: chta"),
			'3:49: routes[0].upstream: there is no upstream "chta", did you mean "chat"?',
		],
		[
			"one in a split",
			SMALLEST.replace("upstream: chat", "split: [{ upstream: xyz }]"),
			'3:59: routes[0].split[0].upstream: there is no upstream "xyz"',
		],
		[
			"an endpoint that is no URL",
			SMALLEST.replace('"ws://127.0.0.1:7001"', "127.0.0.1:7001"),
			"2:34: upstreams.chat.endpoints[0]: expected ws://, wss://, http:// or https:// with host and optional port, or ws+unix:/path",
		],
		[
			"an endpoint's unknown key",
			SMALLEST.replace('"ws://127.0.0.1:7001"', '{ url: "ws://a:1", wieght: 2 }'),
			'2:53: upstreams.chat.endpoints[0].wieght: unknown key "wieght", did you mean "weight"?',
		],
		[
			"no endpoints",
			SMALLEST.replace(/endpoints: \[.*?\]/, "endpoints: []"),
			"2:33: upstreams.chat.endpoints: the upstream has no endpoints",
		],
		[
			"an endpoint twice",
			SMALLEST.replace(/endpoints: \[.*?\]/, 'endpoints: ["ws://a", { url: "http://A:80/" }]'),
			"2:51: upstreams.chat.endpoints[1].url: a:80 is endpoints[0] already; use weight to send it more",
		],
		[
			"a policy",
			SMALLEST.replace("chat: {", "chat: { load_balancing: { policy: round-robin },"),
			'2:48: upstreams.chat.load_balancing.policy: expected one of round_robin, least_connections, random, p2c, consistent_hash, did you mean "round_robin"?',
		],
		[
			"a policy without that key",
			SMALLEST.replace("chat: {", "chat: { load_balancing: { hash_on: path },"),
			"2:49: upstreams.chat.load_balancing.hash_on: policy round_robin does not use hash_on; set policy: consistent_hash or remove the key",
		],
		[
			"too little room for bounded load",
			SMALLEST.replace("chat: {", "chat: { load_balancing: { policy: consistent_hash, hash_balance_factor: 50 },"),
			"2:86: upstreams.chat.load_balancing.hash_balance_factor: must be at least 100 (percent of an endpoint's fair share)",
		],
		[
			"a sticky that is none",
			SMALLEST.replace("chat: {", "chat: { sticky: cookie,"),
			"2:30: upstreams.chat.sticky: expected socketio or { cookie: { … } }",
		],
		[
			"two listeners on one address",
			SMALLEST.replace('[{ address: ":8080" }', '[{ address: ":8080" }, { address: "127.0.0.1:8080" }'),
			"1:46: listeners[1].address: listeners[0].address listens there already",
		],
		[
			"admin in the open without token",
			`${SMALLEST}admin: { address: ":9090" }\n`,
			"4:8: admin.token: a token is required unless admin.address is on loopback, such as 127.0.0.1:9090",
		],
		[
			"admin on a listener's address",
			`${SMALLEST}admin: { address: "127.0.0.1:8080" }\n`,
			"4:19: admin.address: listeners[0].address listens there already",
		],
		[
			"neither certificates nor self_signed",
			SMALLEST.replace(" }]", ", tls: {} }]"),
			"1:38: listeners[0].tls: needs one of certificates and self_signed",
		],
		[
			"a TLS version that YAML takes for a number",
			SMALLEST.replace(" }]", ", tls: { self_signed: a, min_version: 1.2 } }]"),
			'1:69: listeners[0].tls.min_version: expected "1.2" or "1.3", in quotes',
		],
		[
			"a header size that is too small",
			SMALLEST.replace(" }]", ", max_header_size: 512 }]"),
			"1:50: listeners[0].max_header_size: has to be from 1KiB to 1MiB",
		],
		[
			"an address range",
			`trusted_proxies: [10.0.0.0/33]\n${SMALLEST}`,
			"1:19: trusted_proxies[0]: expected an address or a range such as 10.0.0.0/8 or ::1",
		],
		[
			"a broken pattern",
			SMALLEST.replace("path_prefix: /", "path_regex: '(a'"),
			"3:33: routes[0].match.path_regex: not a valid pattern: Invalid regular expression: /(a/: Unterminated group",
		],
		[
			"a duplicate upstream",
			SMALLEST.replace("} }\n", '}, chat: { endpoints: ["ws://b"] } }\n'),
			'2:60: the key "chat" is there twice',
		],
	])("%s", (_, text, line) => {
		expect(problemLines(text)).toEqual([line]);
	});

	it("a pattern that can take exponential time, with advice", () => {
		const [line, ...others] = problemLines(SMALLEST.replace("path_prefix: /", () => "path_regex: '^/(a+)+$'"));
		expect(line).toMatch(/^3:33: routes\[0\]\.match\.path_regex: .*exponential.*such as/);
		expect(others).toEqual([]);
	});

	it("a document that is empty, or no map", () => {
		expect(problemLines("")).toEqual(["1:1: expected a map, got nothing"]);
		expect(problemLines("hello")).toEqual(["1:1: expected a map, got text"]);
	});

	it("one mistyped required key gives one problem, not a missing key as well", () => {
		expect(problemLines(SMALLEST.replace("address", "adress"))).toEqual([
			'1:15: listeners[0].adress: unknown key "adress", did you mean "address"?',
		]);
		expect(problemLines(SMALLEST.replace("endpoints", "endpoint"))).toEqual([
			'2:22: upstreams.chat.endpoint: unknown key "endpoint", did you mean "endpoints"?',
		]);
		expect(problemLines(SMALLEST.replace("upstream:", "upstrem:"))).toEqual([
			'3:39: routes[0].upstrem: unknown key "upstrem", did you mean "upstream"?',
		]);
	});
});
