import { describe, expect, it } from "vitest";
import { imported, server } from "./import.fixtures.ts";

describe("upstreams", () => {
	async function upstream(block: string, inside = ""): Promise<Record<string, unknown>> {
		const text = `http { upstream pool { ${block} } server { listen 1; location / { proxy_pass http://pool; ${inside} } } }`;
		const { config } = await imported(text);
		return config.upstreams.pool as unknown as Record<string, unknown>;
	}

	it("carry over weight, state, backup, limits and failures", async () => {
		const found = await upstream(
			"server a:1 weight=3 max_fails=2 fail_timeout=20s max_conns=5; server b down max_fails=2 fail_timeout=20s; server unix:/run/c backup max_fails=2 fail_timeout=20s; server a:1 max_fails=0;",
		);
		expect(found).toMatchObject({
			endpoints: [
				{ url: "ws://a:1", weight: 4, state: "ready", backup: false },
				{ url: "ws://b:80", state: "maint" },
				{ url: "ws+unix:/run/c", backup: true },
			],
			outlier_detection: { consecutive_failures: 2, base_ejection_time: 20_000 },
		});
	});

	it("leave a server alone for ten seconds after a failure, as nginx does without a word", async () => {
		expect((await upstream("server a:1; server b:1;")).outlier_detection).toEqual({
			consecutive_failures: 1,
			base_ejection_time: 10_000,
			max_ejection_percent: 100,
		});
		expect((await upstream("server a:1;")).outlier_detection).toBeUndefined();
		expect((await upstream("server a:1 max_fails=0; server b:1 max_fails=0;")).outlier_detection).toBeUndefined();
	});

	it.each([
		["ip_hash;", { policy: "consistent_hash", hash_on: ["client_ip"] }],
		["least_conn;", { policy: "least_connections" }],
		["random;", { policy: "random" }],
		["random two least_conn;", { policy: "p2c" }],
		["hash $remote_addr consistent;", { policy: "consistent_hash", hash_on: ["client_ip"] }],
		["hash $arg_room;", { policy: "consistent_hash", hash_on: [{ query: "room" }] }],
		["hash $cookie_sid consistent;", { policy: "consistent_hash", hash_on: [{ cookie: "sid" }] }],
		["hash $http_x_user;", { policy: "consistent_hash", hash_on: [{ header: "X-User" }] }],
		["hash $request_uri;", { policy: "consistent_hash", hash_on: ["path"] }],
		["hash $geoip_city;", { policy: "consistent_hash", hash_on: ["client_ip"] }],
	])("choose a server with %s", async (line, expected) => {
		expect((await upstream(`${line} server a:1; server b:1;`)).load_balancing).toMatchObject(expected);
	});

	it("keep clients by a cookie", async () => {
		const { sticky } = await upstream(
			"server a:1; sticky cookie srv expires=1h domain=.a.test path=/x secure samesite=strict;",
		);
		expect(sticky).toEqual({
			cookie: {
				name: "srv",
				ttl: 3_600_000,
				domain: ".a.test",
				path: "/x",
				secure: true,
				http_only: false,
				same_site: "strict",
				partitioned: false,
			},
		});
	});

	it("are two when they are spoken to with TLS and without", async () => {
		const text = `http { upstream pool { server a:1; } server { listen 1;
			location /a { proxy_pass http://pool; }
			location /b { proxy_pass https://pool; proxy_ssl_verify on; proxy_ssl_name x.test; }
			location /c { proxy_pass https://pool; }
		} }`;
		const { config, lines } = await imported(text);
		expect(
			Object.entries(config.upstreams).map(([name, { endpoints, tls }]) => [name, endpoints[0]?.url, tls]),
		).toEqual([
			["pool", "ws://a:1", { verify: true }],
			["pool-tls", "wss://a:1", { verify: true, server_name: "x.test" }],
			["pool-3", "wss://a:1", { verify: false }],
		]);
		expect(lines.find((line) => line.includes("verify: false"))).toMatch(/^nginx\.conf:4: /);
	});

	it("try as many servers as there are, or as is written", async () => {
		const many = "server a:1; server a:2; server a:3; server a:4; server a:5;";
		const routeOf = async (inside: string) => {
			const text = `http { upstream pool { ${many} } server { listen 1; location / { proxy_pass http://pool; ${inside} } } }`;
			return (await imported(text)).route("/").retries;
		};
		expect((await routeOf("")).attempts).toBe(5);
		expect((await routeOf("proxy_next_upstream off;")).attempts).toBe(1);
		expect(await routeOf("proxy_next_upstream error http_503; proxy_next_upstream_tries 2;")).toEqual({
			attempts: 2,
			on: ["connect_failure", "bad_handshake", "503"],
		});
	});
});

describe("variables", () => {
	it("become routes by header, query, address or share", async () => {
		const text = `http {
			geo $pool { default far; 10.0.0.0/8 near; 10.1.0.0/16 lab; }
			split_clients $remote_addr $variant { 10% canary; * stable; }
			upstream near { server a:1; } upstream far { server a:2; } upstream lab { server a:3; }
			upstream canary { server b:1; } upstream stable { server b:2; }
			server { listen 1;
				location /geo { proxy_pass http://$pool; }
				location /split { set $up $variant; proxy_pass http://$up; }
			}
		}`;
		const { config, lines } = await imported(text);
		const geo = config.routes.filter(({ name }) => name.startsWith("/geo"));
		expect(geo.map(({ match, upstream }) => [match.client_ip, upstream])).toEqual([
			[["10.1.0.0/16"], "lab"],
			[["10.0.0.0/8"], "near"],
			[undefined, "far"],
		]);
		expect(config.routes.find(({ name }) => name === "/split")?.split).toEqual([
			{ upstream: "canary", weight: 10 },
			{ upstream: "stable", weight: 90 },
		]);
		expect(lines.some((line) => line.includes("drawn anew"))).toBe(true);
	});

	it.each([
		["server_name ~^(?<sub>.+)\\.test$;", "http://app$sub.internal:80"],
		["server_name ~^(?<sub>.+)\\.test$;", "http://127.0.0.1:80$sub"],
		["", "http://app$1"],
		["", "http://127.0.0.1:80$1"],
	])("in the host or port close the location: %s %s", async (line, target) => {
		const { route, lines } = await imported(server(`${line} location ~ ^/t/(.*)$ { proxy_pass ${target}; }`));
		expect(route("~ ^/t/(.*)$ (refused)").upstream).toBe("refused");
		expect(lines.some((text) => text.includes(`proxy_pass ${target}`) && text.includes("refused"))).toBe(true);
	});

	it("of a map that are made of its groups close the location", async () => {
		const map = "map $host $port { ~^app(\\d) 800$1; default 8000; }";
		const { route } = await imported(server("location ~ ^/t/(.*)$ { proxy_pass http://127.0.0.1:$port; }", "", map));
		expect(route("~ ^/t/(.*)$ (refused)").upstream).toBe("refused");
	});

	it("may be a group that starts with the slash", async () => {
		const { route } = await imported(server("location ~ ^/t(/.*)$ { proxy_pass http://127.0.0.1:80$1; }"));
		expect(route("~ ^/t(/.*)$").rewrite).toMatchObject({ path_regex: "^/t(/.*)$", replacement: "$1" });
	});

	it("close the location when only nginx knows them", async () => {
		const { route, lines } = await imported(server("location /any/ { proxy_pass http://$arg_to; }"));
		expect(route("/any/ (refused)").upstream).toBe("refused");
		expect(lines.find((line) => line.includes("$arg_to"))).toContain("refused");
	});
});
