// What is measured: the load and its unit, whether the peer is asked through TLS, with which configuration, and the bars.
import { createHmac } from "node:crypto";
import { SECRET } from "./peers.js";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The headers of a browser with a token, for the tests of checks. */
function credentials() {
	const claims = { sub: "ada", iss: "bench", exp: Math.floor(Date.now() / 1_000) + 86_400 };
	const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
	const token = `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
	return `Origin: https://app.bench.test\r\nAuthorization: Bearer ${token}\r\n`;
}

/**
 * `bars` are the most that Clawgate may need, as multiples of a peer's value; `library` is the best of the Node libraries,
 * another test's name is Clawgate's own value there. `added` compares what is left after taking off the value without a
 * proxy. A test with `setup` measures Clawgate alone, with another configuration.
 */
export function makeTests(seconds, settle) {
	const headers = credentials();
	const roundTrips = { unit: "µs", kind: "roundTrips", size: 64, connections: 200, seconds };
	const handshakes = { unit: "µs", kind: "handshakes", count: 10_000, atOnce: 50 };
	const idle = { unit: "KiB", kind: "idle", base: 2_000, connections: 4_000, settle };
	const spread = (count) => ({ hosts: count, paths: count, setup: { routes: count } });
	const tests = {
		cpu64: { ...roundTrips, title: "CPU, 64 B round trip", bars: { nginx: 1.4, haproxy: 1.1, library: 0.8 } },
		cpu16k: { ...roundTrips, title: "CPU, 16 KiB round trip", size: 16_384, bars: { nginx: 0.5, haproxy: 0.8, caddy: 1 } },
		tls64: { ...roundTrips, title: "CPU, 64 B round trip, TLS client side", tls: true, bars: { nginx: 1.5 } },
		tls16k: { ...roundTrips, title: "CPU, 16 KiB round trip, TLS client side", size: 16_384, tls: true },
		handshake: { ...handshakes, title: "CPU, handshake", bars: { nginx: 3, caddy: 1 } },
		dropped: { ...handshakes, title: "CPU, handshake, clients gone without a Close", drop: true, bars: { nginx: 3, caddy: 1 } },
		idle: { ...idle, title: "Memory, idle tunnel", bars: { nginx: 0.75 } },
		idleTls: { ...idle, title: "Memory, idle tunnel, TLS client side", tls: true, bars: { nginx: 1.2 } },
		latency: {
			title: "Added latency, p99 at 10 000 messages/s",
			unit: "ms",
			kind: "latency",
			connections: 1_000,
			size: 64,
			rate: 10_000,
			seconds,
			added: true,
			bars: { nginx: 2 },
		},
		unchecked: { ...handshakes, title: "CPU, handshake, any origin, no checks", headers, setup: { anyOrigin: true } },
		checked: { ...handshakes, title: "CPU, handshake, same headers, origin + four limits + HS256 JWT", headers, setup: { checks: true } },
		routes10: { ...handshakes, title: "CPU, handshake, 10 routes", ...spread(10) },
		routes10k: { ...handshakes, title: "CPU, handshake, 10 000 routes", ...spread(10_000), bars: { routes10: 1.5 } },
		endpoints10: { ...handshakes, title: "CPU, handshake, 10 endpoints", setup: { endpoints: 10 } },
		endpoints1k: { ...handshakes, title: "CPU, handshake, 1 000 endpoints", setup: { endpoints: 1_000 }, bars: { endpoints10: 1.5 } },
	};
	for (const [side, tls] of [["", false], [", TLS", true]]) {
		const add = (name, test) => {
			tests[`growth${tls ? "Tls" : ""}${name}`] = { tls, group: "growth", setup: {}, ...test };
		};
		for (const connections of [10, 200, 1_000, 5_000]) {
			add(`Connections${connections}`, { ...roundTrips, tls, connections, title: `CPU, 64 B round trip, ${connections} connections${side}` });
		}
		for (const [size, words] of [[64, "64 B"], [1_024, "1 KiB"], [16_384, "16 KiB"], [65_536, "64 KiB"], [1_048_576, "1 MiB"]]) {
			add(`Size${size}`, { ...roundTrips, tls, size, connections: 50, title: `CPU, ${words} round trip, 50 connections${side}` });
		}
	}
	for (const count of [10, 100, 1_000, 10_000]) {
		tests[`growthRoutes${count}`] = { ...handshakes, group: "growth", title: `CPU, handshake, ${count} routes`, ...spread(count) };
	}
	for (const count of [10, 100, 1_000]) {
		tests[`growthEndpoints${count}`] = { ...handshakes, group: "growth", title: `CPU, handshake, ${count} endpoints`, setup: { endpoints: count } };
	}
	return tests;
}

/** The tests that a list of names means: a name, or the beginning of several; without a list all but the growth ones. */
export function chosen(tests, list) {
	const names = Object.keys(tests);
	if (list === undefined) return names.filter((name) => tests[name].group === undefined);
	return list.split(",").flatMap((word) => {
		const found = word in tests ? [word] : names.filter((name) => name.startsWith(word));
		if (found.length === 0) throw new Error(`there is no test ${word}; there are: ${names.join(", ")}`);
		return found;
	});
}
