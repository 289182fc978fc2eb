import { describe, expect, it } from "vitest";
import { configOf, problemLines } from "../problem-lines.ts";

/** The route's further keys begin at line 4, column 40. */
const withRoute = (keys: string, more = "") => `listeners: [{ address: ":8080" }]
hubs: { ratings: { topics: [{ match: "**" }] } }
${more}
routes: [{ name: live, hub: ratings,   ${keys} }]
`;

describe("a route that ends in a hub", () => {
	it.each([
		"auth: { jwt: { secret: 0123456789abcdef0123456789abcdef, from: [first_message, { query: token }] } }",
		"limits: { connections: 9, connections_per_ip: 3, connections_per_user: 2, new_connections_per_ip: { rate: 10/s } }",
		"limits: { failed_logins: { rate: 10/m } }, timeouts: { handshake: 5s, idle: 1m, lifetime: 1h, close: 1s }",
		"drain: { close_code: 1012 }, close_codes: { overload: 1013, auth_expired: 4401 }, allow: [10.0.0.0/8]",
	])("may have %s", (keys) => {
		expect(problemLines(withRoute(keys))).toEqual([]);
	});

	it.each([
		["rewrite: { strip_prefix: /a }", "rewrite: rewrite is about a backend's connection"],
		["request_headers: { remove: [Cookie] }", "request_headers: request_headers is about"],
		["http: reject", "http: http is about"],
		["retries: { attempts: 2 }", "retries: retries is about"],
		["ping: off", "ping: ping is about"],
		["timeouts: { connect: 1s }", "timeouts.connect: connect is about", 52],
		["close_codes: { backend_lost: 1011 }", "close_codes.backend_lost: backend_lost is about", 55],
		["limits: { messages: { rate: 9/s } }", "limits.messages: messages is for routes that lead to an upstream", 50],
		["limits: { bytes: { rate: 1KiB/s } }", "limits.bytes: bytes is for", 50],
		["limits: { max_message_size: 1KiB }", "limits.max_message_size: max_message_size is for", 50],
		["limits: { max_frame_size: 1KiB }", "limits.max_frame_size: max_frame_size is for", 50],
		["limits: { max_buffered: 1MiB }", "limits.max_buffered: max_buffered is for", 50],
	])("has no use for %s", (keys, words, column = 40) => {
		expect(problemLines(withRoute(keys))).toEqual([expect.stringContaining(`4:${column}: routes[0].${words}`)]);
	});

	it("takes these keys from defaults without a word, since other routes have a use for them", () => {
		const text = withRoute("", "defaults: { ping: off, retries: { attempts: 1 }, limits: { max_message_size: 1KiB } }");
		expect(problemLines(text)).toEqual([]);
	});

	it("gets a token in the first message only where the protocol has one", () => {
		const jwt = "auth: { jwt: { secret: 0123456789abcdef0123456789abcdef, from: [first_message] } }";
		expect(problemLines(withRoute(jwt).replace("hub: ratings,", "hub: { name: ratings, protocol: plain },"))).toEqual([
			expect.stringContaining("routes[0].auth.jwt.from[0]: the plain protocol has no message with a token"),
		]);
	});

	it("suggests the nearest hub for a name that there is not", () => {
		expect(problemLines(withRoute("").replace("hub: ratings", "hub: rating"))).toEqual([
			expect.stringContaining('4:29: routes[0].hub: there is no hub "rating", did you mean "ratings"?'),
		]);
	});

	it("needs no upstreams", () => {
		expect(configOf(withRoute("")).upstreams).toEqual({});
	});
});

describe("first_message", () => {
	const upstream = 'upstreams: { chat: { endpoints: ["ws://127.0.0.1:1"] } }';
	const jwt = "auth: { jwt: { secret: 0123456789abcdef0123456789abcdef, from: [first_message] } }";

	it("is a mistake where the route leads to an upstream: nobody would ask for the token", () => {
		const text = withRoute(jwt, upstream).replace("hub: ratings", "upstream: chat");
		expect(problemLines(text)).toContainEqual(
			expect.stringContaining(
				"routes[0].auth.jwt.from[0]: first_message is possible only where the route ends in a hub",
			),
		);
	});

	it("is a mistake in defaults, which routes to upstreams have too", () => {
		expect(problemLines(withRoute("", `defaults: { ${jwt} }`))).toEqual([
			expect.stringContaining("defaults.auth.jwt.from[0]: first_message is for routes that end in a hub"),
		]);
	});
});

describe("a topic rule", () => {
	it.each([
		["{ match: a..b }", "topics[0].match: a segment of the pattern is empty"],
		['{ match: "**.b" }', "topics[0].match: ** stands for the rest of a topic"],
		['{ match: "a.{x}.{x}" }', "topics[0].match: {x} stands there twice"],
		[
			'{ match: "a.{x}", subscribe: { claims: { sub: "{y}" } } }',
			"topics[0].subscribe.claims.sub: {y} is not in the pattern a.{x}",
		],
		[
			'{ match: "a.{x}", subscribe: anyone, join: on_connect }',
			"topics[0].join: join needs every part of the topic from a claim",
		],
		["{ match: a, publish: anybody }", "topics[0].publish: expected anyone, authenticated, nobody, or"],
		["{ match: a, history: { size: 0, ttl: 1m } }", "topics[0].history.size"],
	])("with a mistake, %s, is told of at its place", (rule, words) => {
		const text = withRoute("").replace('{ match: "**" }', rule);
		expect(problemLines(text)).toEqual([expect.stringContaining(`hubs.ratings.${words}`)]);
	});
});

describe("hub_api", () => {
	it("needs keys off loopback, and a file of keys that can be read", () => {
		expect(problemLines(withRoute("", 'hub_api: { address: ":9091" }'))).toEqual([
			expect.stringContaining("hub_api.keys_file: keys are required unless hub_api.address is on loopback"),
		]);
		expect(problemLines(withRoute("", 'hub_api: { address: "127.0.0.1:9091", keys_file: not-there.txt }'))).toEqual([
			expect.stringMatching(/hub_api\.keys_file: cannot read .*not-there\.txt/),
		]);
	});

	it("has an address of its own", () => {
		expect(problemLines(withRoute("", 'hub_api: { address: "127.0.0.1:8080" }'))).toEqual([
			expect.stringContaining("3:21: hub_api.address:"),
		]);
	});

	it("has the certificates of a listener, checked as theirs are", () => {
		expect(problemLines(withRoute("", 'hub_api: { address: "127.0.0.1:1", tls: { certificates: [] } }'))).toEqual([
			expect.stringContaining("hub_api.tls.certificates: expected at least one certificate"),
		]);
		const text = withRoute(
			"",
			'hub_api: { address: "127.0.0.1:1", tls: { certificates: [{ cert: a.pem, key: a.key }] } }',
		);
		expect(problemLines(text)).toEqual([
			expect.stringContaining("hub_api.tls.certificates[0].cert: cannot read"),
			expect.stringContaining("hub_api.tls.certificates[0].key: cannot read"),
		]);
	});
});
