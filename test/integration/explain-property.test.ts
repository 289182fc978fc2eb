/** A running gateway does what `clawgate explain` says, for random configurations and handshakes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Explanation } from "../../src/gateway/explain.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { startTestGateway } from "../harness/gateway.ts";
import type { LogRecord } from "../harness/log-lines.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { connectRaw, type HandshakeOptions } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { runCli } from "./cli.fixtures.ts";

const HOSTS = ["a.test", "b.test", "x.a.test", "127.0.0.1"];
const PATHS = [
	"/",
	"/ws",
	"/ws/x",
	"/WS",
	"//ws",
	"/api",
	"/api/v1",
	"/ws%2Fx",
	"/%77s",
	"/ws/../api",
	"/room/7",
	"/ws/y/z",
	"/api",
];
const PROTOCOLS = ["v1", "v2", "v3"];
/** Addresses of this machine, so that clients can come from them. */
const CLIENTS = ["127.0.0.1", "127.0.0.2", "127.0.0.9"];

const some = <T>(values: readonly T[], max = 2) =>
	fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: max });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
	fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const pathMatch = fc.oneof(
	fc.record({ path_prefix: some(["/", "/ws", "/api", "/ws/x"]) }),
	fc.record({ path: some(["/", "/ws", "/api/v1"]) }),
	fc.record({ path_regex: fc.constantFrom("^/room/\\d+$", "s$") }),
	fc.constant({}),
);

const route = fc.record({
	match: fc
		.tuple(
			pathMatch,
			fc.record({
				host: rarely(some(["a.test", "*.a.test", "b.test"])),
				subprotocol: rarely(some(PROTOCOLS)),
				headers: rarely(
					fc.constantFrom(
						{ "X-Tenant": "acme" },
						{ "X-Tenant": { present: true } },
						{ "X-Tenant": { present: false } },
					),
				),
				query: rarely(fc.constantFrom({ v: "1" }, { v: { present: true } })),
				client_ip: rarely(some(["127.0.0.2", "127.0.0.8/29", "10.0.0.0/8"])),
			}),
		)
		.map(([path, others]) => ({ ...path, ...others })),
	upstream: fc.nat(1),
	deny: maybe(some(CLIENTS)),
	allowed_origins: maybe(
		fc.constantFrom(["same-origin"], ["https://*.test"], ["https://app.test", "http://b.test"], ["*"], ["*"]),
	),
	attempts: fc.integer({ min: 1, max: 3 }),
	on: fc.constantFrom(["connect_failure"], ["bad_handshake"]),
});

const endpoint = fc.record({
	weight: fc.constantFrom(0, 1, 1, 2, 3),
	state: fc.constantFrom("ready", "ready", "ready", "ready", "drain", "maint"),
	backup: fc.boolean(),
});

const upstream = fc.record({
	// Endpoint n of each upstream is server n; the last one is down.
	endpoints: fc.tuple(endpoint, endpoint, endpoint, endpoint),
	hash_on: fc.constantFrom(
		"client_ip",
		"path",
		[{ query: "v" }, "client_ip"],
		[{ header: "X-Tenant" }, "path"],
		[{ cookie: "room" }],
	),
});

const handshake = fc.record({
	path: fc.constantFrom(...PATHS),
	query: maybe(fc.constantFrom("v=1", "v=2", "w=1&v=")),
	host: fc.constantFrom(...HOSTS),
	protocols: fc.uniqueArray(fc.constantFrom(...PROTOCOLS), { maxLength: 2 }),
	client: fc.constantFrom(...CLIENTS),
	headers: fc.record(
		{
			"X-Tenant": fc.constantFrom("acme", "other", ""),
			Origin: fc.constantFrom("https://app.test", "https://a.test", "http://b.test", "null"),
			Cookie: fc.constantFrom("room=1", "a=b; room=2"),
			"X-Forwarded-For": fc.constantFrom("10.1.2.3", "10.9.9.9, 127.0.0.2"),
			"Sec-WebSocket-Version": fc.constantFrom(...Array(19).fill("13"), "8"),
		},
		{ requiredKeys: [] },
	),
});

test("a running gateway does what explain says, for any configuration and handshake", {
	timeout: 120_000,
}, async () => {
	const servers = [await startWsBackend(), await startWsBackend(), await startWsBackend()];
	const urls = [...servers.map(({ url }) => url), `ws://127.0.0.1:${await closedPort()}`];
	const { dir } = await temporaryFiles({ "routes.yaml": "" });
	const outcomes = new Map<string, number>();
	await fc.assert(
		fc.asyncProperty(
			fc.array(route, { minLength: 1, maxLength: 5 }),
			fc.tuple(upstream, upstream),
			fc.boolean(),
			fc.array(handshake, { minLength: 1, maxLength: 6 }),
			async (routes, pools, trusted, handshakes) => {
				const yaml = JSON.stringify({
					trusted_proxies: trusted ? ["127.0.0.0/8"] : [],
					listeners: [{ name: "main", address: "127.0.0.1:0" }],
					upstreams: Object.fromEntries(
						pools.map(({ endpoints, hash_on }, index) => [
							`u${index}`,
							{
								endpoints: endpoints.map((each, server) => ({ url: urls[server], ...each })),
								load_balancing: { policy: "consistent_hash", hash_on },
							},
						]),
					),
					routes: routes.map(({ upstream: pool, attempts, on, ...each }, index) => ({
						name: `r${index}`,
						upstream: `u${pool}`,
						retries: { attempts, on },
						...each,
					})),
				});
				writeFileSync(join(dir, "routes.yaml"), yaml);
				const gateway = await startTestGateway(yaml, { autoStop: false });
				try {
					for (const [index, { path, query, host, protocols, client, headers }] of handshakes.entries()) {
						const target = query === undefined ? path : `${path}?${query}`;
						const said = await runCli(
							[
								"explain",
								"--json",
								`ws://${host}:${gateway.port}${target}`,
								"--client-ip",
								client,
								...protocols.flatMap((each) => ["--subprotocol", each]),
								...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
							],
							{ cwd: dir },
						);
						expect(said.err).toBe("");
						const expected: Explanation = JSON.parse(said.out);
						const did = await handshakeWith(gateway.port, target, client, {
							host: `${host}:${gateway.port}`,
							...(protocols.length > 0 && { subprotocols: protocols }),
							headers,
						});
						const record = await until(() => lines(gateway.logs)[index], { what: "the log line" });
						expect(said.code).toBe(expected.route === undefined ? 1 : 0);
						expect({ route: record.route, client_ip: record.client_ip }).toEqual({
							route: expected.route,
							client_ip: expected.client_ip,
						});
						const order = (expected.upstreams[0]?.endpoints ?? []).flatMap(({ id, place }) =>
							place === undefined ? [] : [id],
						);
						const tried = (record.attempts ?? []).map((attempt) => attempt.endpoint);
						if (expected.refusal) {
							expect({ status: did, code: record.code, tried }).toEqual({
								status: expected.refusal.status,
								code: expected.refusal.code,
								tried: [],
							});
						} else {
							expect(record.upstream).toBe(expected.upstreams[0]?.name);
							expect(tried.length).toBeGreaterThan(0);
							expect(tried).toEqual(order.slice(0, tried.length));
							expect(tried.length).toBeLessThanOrEqual(expected.attempts ?? 0);
							if (did === 101) expect(record.endpoint).toBe(tried.at(-1));
						}
						const outcome = expected.refusal?.code ?? `${did} after ${tried.length}`;
						outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
					}
				} finally {
					await gateway.stop({ immediately: true });
				}
			},
		),
		{ numRuns: 80 },
	);
	// The property says little unless these all came up.
	for (const outcome of ["101 after 1", "NO_ROUTE", "ORIGIN_DENIED", "ADDRESS_DENIED", "BAD_TARGET"]) {
		expect([...outcomes.keys()]).toContain(outcome);
	}
});

/** The status of the answer. */
async function handshakeWith(
	port: number,
	target: string,
	localAddress: string,
	options: HandshakeOptions,
): Promise<number> {
	const { headers = {}, ...others } = options;
	const { "Sec-WebSocket-Version": version, ...rest } = headers as Record<string, string>;
	const client = await connectRaw({ port, localAddress, autoClose: false });
	try {
		const head = await client.handshake(target, {
			...others,
			headers: rest,
			...(version !== undefined && { version }),
		});
		return head.status;
	} finally {
		client.tcp.destroy();
	}
}

/** The lines that tell how handshakes ended, in their order. */
function lines(logs: readonly LogRecord[]): LogRecord[] {
	return logs.filter(({ event }) => event === "ws.open" || event === "ws.reject");
}
