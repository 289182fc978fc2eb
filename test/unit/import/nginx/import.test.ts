import { describe, expect, it } from "vitest";
import { importNginx, summarise } from "../../../../src/import/nginx/index.ts";
import { OFF } from "../../../../src/options.ts";
import { certificate, temporaryFiles } from "../../../harness/certs.ts";
import { imported, server } from "./import.fixtures.ts";

describe("files", () => {
	it("reads includes from the main file's folder, with patterns in the order of glob", async () => {
		const { config, lines } = await imported(
			"events {}\nhttp { include sites/*.conf; include gone.conf; include none/*.conf; }",
			{
				files: {
					"sites/b.conf": "server { listen 1; server_name b; location / { proxy_pass http://127.0.0.1:2; } }",
					"sites/a.conf": "server { listen 1; server_name a; location / { proxy_pass http://127.0.0.1:1; } }",
					"sites/.hidden.conf": "nonsense",
					"sites/c.conf.bak": "nonsense",
				},
			},
		);
		expect(config.routes.map(({ upstream }) => upstream)).toEqual(["127.0.0.1-2", "127.0.0.1-1"]);
		expect(lines).toContain(
			"nginx.conf:2: include gone.conf: there is no file gone.conf; what it says is missing in the result",
		);
		expect(lines.filter((line) => line.includes("none/"))).toEqual([]);
		expect(lines.some((line) => line.startsWith("sites/b.conf:1: "))).toBe(true);
	});

	it("takes a file of sites-enabled on its own, with snippets next to the main file's folder", async () => {
		const { route } = await imported(
			"server { listen 80; include snippets/p.conf; location / { proxy_pass http://127.0.0.1:1; } }",
			{
				main: "sites-enabled/app",
				files: { "snippets/p.conf": "proxy_read_timeout 7m;" },
			},
		);
		expect(route("/").timeouts.idle).toBe(420_000);
	});

	it("takes the output of nginx -T for the files it was made from", async () => {
		const dump = [
			"# configuration file /etc/nginx/nginx.conf:",
			"events {}",
			"http { include conf.d/*.conf; }",
			"",
			"# configuration file /etc/nginx/conf.d/x.conf:",
			"server { listen 80; location / { proxy_pass http://127.0.0.1:1; gzip on; } }",
			"",
		].join("\n");
		const { config, lines } = await imported(dump);
		expect(config.routes).toHaveLength(1);
		expect(lines.some((line) => line.startsWith("/etc/nginx/conf.d/x.conf:1: gzip: "))).toBe(true);
	});

	it("says where a file is wrong, or goes in a circle", async () => {
		await expect(imported("http {")).rejects.toMatchObject({ place: { file: "nginx.conf", line: 1 } });
		await expect(imported("include nginx.conf;")).rejects.toThrow("circle");
	});
});

describe("listeners", () => {
	it("joins IPv4 and IPv6 of every interface, and drops what another one covers", async () => {
		const text = server("listen [::]:8080; listen 127.0.0.1:8080; listen unix:/run/x.sock; listen [::1]:9090;");
		const { config } = await imported(text);
		expect(config.listeners.map(({ address }) => address)).toEqual([
			{ port: 8080 },
			{ path: "/run/x.sock" },
			{ host: "::1", port: 9090 },
		]);
	});

	it("keeps addresses apart that lead elsewhere, and imports the others when asked", async () => {
		const text = `http {
			server { listen 8080; location / { proxy_pass http://127.0.0.1:1; } location /x { proxy_pass http://127.0.0.1:2; } }
			server { listen 8081; location / { proxy_pass http://127.0.0.1:3; } }
			server { listen 8082; return 301 https://$host; }
		}`;
		const { config, lines } = await imported(text);
		expect(config.listeners.map(({ address }) => address.port)).toEqual([8080]);
		expect(lines.find((line) => line.startsWith("nginx.conf:3: listen 8081: "))).toContain("--listen 8081");
		expect(lines.find((line) => line.startsWith("nginx.conf:4: listen 8082: "))).toContain("no listener");
		const other = await imported(text, { listen: "8081" });
		expect(other.config.listeners.map(({ address }) => address.port)).toEqual([8081]);
		expect(other.config.routes.map(({ upstream }) => upstream)).toEqual(["127.0.0.1-3"]);
	});

	it("has one for each port of a range, and none for what it cannot read", async () => {
		const { config } = await imported(server("listen 127.0.0.1:9001-9002;"));
		expect(config.listeners.map(({ address }) => address)).toContainEqual({ host: "127.0.0.1", port: 9002 });
		expect(config.listeners).toHaveLength(3);
		const { config: other, lines } = await imported(server("listen 127.0.0.1:1-60000; listen 127.0.0.1:x;"));
		expect(other.listeners.map(({ address }) => address)).toEqual([{ host: "0.0.0.0", port: 8080 }]);
		expect(lines.filter((line) => line.includes("nothing listens there"))).toHaveLength(2);
	});

	it("carries over certificates, versions, client certificates and the PROXY protocol", async () => {
		const { cert, key } = await certificate(["a.test"]);
		const text = `http {
			set_real_ip_from 10.0.0.0/8; set_real_ip_from fd00::/8; real_ip_header proxy_protocol;
			server {
				listen 443 ssl proxy_protocol;
				ssl_certificate c/a.pem; ssl_certificate_key c/a.key;
				ssl_protocols TLSv1.3; ssl_client_certificate c/a.pem; ssl_verify_client optional;
				client_header_timeout 5s; large_client_header_buffers 8 16k;
				location / { proxy_pass http://127.0.0.1:1; }
			}
		}`;
		const { config, folder } = await imported(text, { files: { "c/a.pem": cert, "c/a.key": key } });
		// What these send in X-Forwarded-For was not believed.
		expect(config.trusted_proxies).toEqual([]);
		expect(config.listeners[0]).toMatchObject({
			address: { host: "0.0.0.0", port: 443 },
			tls: {
				certificates: [{ cert: `${folder}/c/a.pem`, key: `${folder}/c/a.key` }],
				min_version: "1.3",
				client_ca: `${folder}/c/a.pem`,
				client_auth: "request",
			},
			proxy_protocol: { trusted: ["10.0.0.0/8", "fd00::/8"] },
			timeouts: { request_headers: 5_000 },
			max_header_size: 128 * 1024,
		});
	});

	it("carries over which header names the client", async () => {
		const { config, text } = await imported(
			server("set_real_ip_from 10.0.0.1; set_real_ip_from 10.1.0.0/16; real_ip_header CF-Connecting-IP;"),
		);
		expect(config.trusted_proxies).toEqual(["10.0.0.1", "10.1.0.0/16"]);
		expect(text).toContain("client_ip_header: CF-Connecting-IP");
	});

	it("trusts nobody whom one of the servers does not trust, or about another header", async () => {
		const two = (a: string, b: string) =>
			`http { set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;
				server { listen 1; server_name a; ${a} location / { proxy_pass http://a:1; } }
				server { listen 1; server_name b; ${b} location / { proxy_pass http://b:1; } } }`;
		expect((await imported(two("", ""))).config.trusted_proxies).toEqual(["10.0.0.0/8"]);
		const narrower = await imported(two("", "set_real_ip_from 10.1.0.0/16; set_real_ip_from 192.0.2.1;"));
		expect(narrower.config.trusted_proxies).toEqual(["10.1.0.0/16"]);
		expect(narrower.lines.some((line) => line.includes("servers trust different proxies"))).toBe(true);
		expect((await imported(two("", "real_ip_header X-Real-IP;"))).config.trusted_proxies).toEqual([]);
	});
});

describe("what refuses requests", () => {
	it("is never lost: a condition that cannot be said closes the location", async () => {
		const { config, lines } = await imported(
			server(
				"location /a { if ($invalid_referer) { return 403; } proxy_pass http://127.0.0.1:1; }\nlocation /b { auth_jwt x; proxy_pass http://127.0.0.1:1; }\nlocation /c { auth_request /files; proxy_pass http://127.0.0.1:1; } location /files { internal; root /srv; }\nlocation /d { limit_except POST { deny all; } proxy_pass http://127.0.0.1:1; }",
			),
		);
		const refused = config.routes.filter(({ upstream }) => upstream === "refused").map(({ name }) => name);
		expect(refused.toSorted()).toEqual([
			"/a (refused)",
			"/b (refused)",
			"/c (refused)",
			"/d (refused)",
			"/files (refused)",
		]);
		for (const line of [6, 7, 8, 9]) expect(lines.some((text) => text.startsWith(`nginx.conf:${line}: `))).toBe(true);
	});

	it("may be about methods, which WebSockets do not vary", async () => {
		const { config, lines } = await imported(server("if ($request_method !~ ^(GET|HEAD|POST)$) { return 444; }"));
		expect(config.routes.map(({ name }) => name)).toEqual(["/"]);
		expect(lines.some((line) => line.includes("methods are not compared"))).toBe(true);
		const closed = await imported(
			server("location /x { if ($request_method != POST) { return 405; } proxy_pass http://127.0.0.1:1; }"),
		);
		expect(closed.route("/x (refused)").upstream).toBe("refused");
	});

	it("becomes a route before the others where it can be said", async () => {
		const { config } = await imported(
			server(
				'if ($http_origin !~ "^https://app\\.test$") { return 403; }\nif ($host = old.test) { return 301 https://new.test; }',
				"if ($cookie_beta = 1) { proxy_pass http://127.0.0.1:9002; }",
			),
		);
		expect(config.routes.map(({ match, upstream }) => [match.host, match.headers, upstream])).toEqual([
			[undefined, { Origin: { present: false } }, "refused"],
			[undefined, { Origin: { regex: "^(?!.*?(?:^https://app\\.test$))" } }, "refused"],
			[["old.test"], undefined, "refused"],
			[undefined, { Cookie: { regex: "(?:^|;\\s*)[bB][eE][tT][aA]=1(?:;|$)" } }, "127.0.0.1-9002"],
			[undefined, undefined, "127.0.0.1-9001"],
		]);
	});

	it("is a list of addresses, a set of names or a cookie, also where the default refuses", async () => {
		const maps = `geo $in { default 0; 10.0.0.0/8 1; 10.1.0.0/16 0; }
			map $http_origin $known { default 0; https://a.test 1; "~^https://b\\." 1; }
			map $cookie_s $bad { default 0; evil 1; }`;
		const refused = async (condition: string) => {
			const { config } = await imported(
				server(`location /x { if (${condition}) { return 403; } proxy_pass http://127.0.0.1:2; }`, "", maps),
			);
			return config.routes
				.filter(({ upstream }) => upstream === "refused")
				.map(({ match: { path_regex: _, ...match } }) => match);
		};
		const ranges = (await refused("$in = 0")).flatMap(({ client_ip: range }) => range);
		expect(ranges).toEqual(expect.arrayContaining(["0.0.0.0/5", "10.1.0.0/16", "11.0.0.0/8"]));
		expect(ranges).not.toContain("10.0.0.0/8");
		expect(await refused("$known = 0")).toEqual([
			{ headers: { Origin: { present: false } } },
			{ headers: { Origin: { regex: expect.stringMatching(/^\^\(\?!/) } } },
		]);
		expect(await refused("$bad")).toEqual([{ headers: { Cookie: { regex: "(?i)(?:^|;\\s*)s=evil(?:;|$)" } } }]);
	});

	it("asks only those for a password whom satisfy any does not let in by address", async () => {
		const { config } = await imported(
			server("", "satisfy any; allow 10.0.0.0/8; deny all; auth_basic x; auth_basic_user_file users;"),
			{ files: { users: "" } },
		);
		expect(config.routes.map(({ match, allow, auth }) => [match.client_ip, allow, auth.basic !== undefined])).toEqual([
			[["10.0.0.0/8"], undefined, false],
			[undefined, undefined, true],
		]);
	});

	it("is the question of auth_request with its constant headers, and says that one server is asked", async () => {
		const { route, lines } = await imported(
			server(
				'location = /auth { internal; proxy_pass http://auth/check; proxy_set_header X-Role admin; proxy_set_header Cookie ""; }',
				"auth_request /auth;",
				"upstream auth { server a:1; server b:2; }",
			),
		);
		expect(route("/").auth.forward).toMatchObject({
			url: "http://a:1/check",
			request_headers: { set: { "X-Role": "admin" }, remove: ["Cookie"] },
		});
		expect(lines.some((line) => line.includes("only a:1 is asked"))).toBe(true);
	});

	it("is an htpasswd file, too", async () => {
		const bcrypt = `ann:$2y$10$${"a".repeat(53)}\n`;
		const { route, folder } = await imported(server("", 'auth_basic "the site"; auth_basic_user_file users;'), {
			files: { users: bcrypt },
		});
		expect(route("/").auth.basic).toMatchObject({ users_file: `${folder}/users`, realm: "the site" });
		expect(
			(await imported(server("auth_basic x; auth_basic_user_file users;", "auth_basic off;"))).route("/").auth,
		).toEqual({});
	});

	it("is limited by address and in all", async () => {
		const zones =
			"limit_conn_zone $binary_remote_addr zone=a:1m; limit_conn_zone $server_name zone=s:1m; limit_req_zone $binary_remote_addr zone=r:1m rate=30r/m;";
		const { route, lines } = await imported(
			server("limit_conn a 5; limit_conn s 100;", "limit_req zone=r burst=9;", zones),
		);
		expect(route("/").limits).toMatchObject({
			connections_per_ip: 5,
			connections: 100,
			new_connections_per_ip: { perSecond: 0.5, burst: 10 },
		});
		expect(lines.find((line) => line.includes("limit_req"))).toContain("nothing is delayed");
	});
});

describe("headers and times", () => {
	it("are carried over as they are inherited", async () => {
		const { route, lines } = await imported(
			server(
				"proxy_set_header X-Lost 1; add_header X-Frame-Options DENY always; proxy_hide_header X-Powered-By;",
				'proxy_set_header Host app.test:8443; proxy_set_header X-Kept "a $var b"; proxy_set_header X-Const "$x y"; proxy_set_header Cookie ""; proxy_set_header X-Same $http_x_same; set $x v;',
			),
		);
		const { rewrite, request_headers, response_headers } = route("/");
		expect(rewrite.host).toBe("app.test:8443");
		expect(request_headers).toEqual({ set: { "X-Const": "v y" }, remove: ["Cookie"] });
		expect(response_headers).toEqual({ set: {}, add: { "X-Frame-Options": ["DENY"] }, remove: ["X-Powered-By"] });
		expect(lines.filter((line) => line.includes("proxy_set_header X-"))).toHaveLength(1);
		expect(lines.find((line) => line.includes("X-Kept"))).toContain("$var");
	});

	it.each([
		["proxy_pass http://a:1/;", "proxy_redirect / /app/; proxy_cookie_path / /app/;", true, undefined],
		[
			"proxy_pass http://a:1/;",
			"proxy_redirect http://a:1/ /app/; proxy_set_header Host $host;",
			true,
			"get /app in front",
		],
		["proxy_pass http://a:1/;", "proxy_redirect off;", false, undefined],
		["proxy_pass http://a:1/;", "", true, "get /app in front"],
		["proxy_pass http://a:1/;", "proxy_set_header Host $http_host;", false, undefined],
		["proxy_pass http://a:1;", "", true, undefined],
		["proxy_pass http://a:1;", "proxy_redirect http:// https://; proxy_set_header Host $host;", true, undefined],
		["proxy_pass http://a:1/b/;", "proxy_redirect default;", false, "way back of this path is not known"],
		["proxy_pass http://a:1/;", "proxy_redirect ~^/x /y; proxy_set_header Host $host;", false, "pass unchanged"],
		[
			"proxy_pass http://a:1/;",
			'proxy_cookie_path / "/; Secure"; proxy_set_header Host $host;',
			false,
			"passes unchanged",
		],
	])("%s %s: rewrite.location is %s", async (pass, line, expected, words) => {
		const { config, lines } = await imported(
			`http { server { listen 80; location /app/ { ${pass} proxy_set_header Upgrade $http_upgrade; ${line} } } }`,
		);
		expect(config.routes.find(({ upstream }) => upstream === "a-1")?.rewrite.location).toBe(expected);
		const noted = lines.filter((text) => /proxy_(?:redirect|cookie_path|pass)\b.*(?:in front|unchanged)/.test(text));
		expect(noted).toEqual(words === undefined ? [] : [expect.stringContaining(words)]);
	});

	it.each([
		["proxy_read_timeout 1h 30m;", { idle: 5_400_000 }],
		["proxy_read_timeout 100d;", { idle: OFF }],
		["proxy_read_timeout 5s; proxy_send_timeout 90;", { idle: 90_000, handshake: 5_000 }],
		["proxy_connect_timeout 75s;", { connect: 75_000, handshake: 85_000, idle: 3_600_000 }],
	])("%s", async (line, expected) => {
		expect((await imported(server("", line))).route("/").timeouts).toMatchObject(expected);
	});
});

describe("notes", () => {
	it("name each thing that is not carried over, once for each kind", async () => {
		const { lines } = await imported(
			server("gzip on;\nproxy_cache zone;\nfrobnicate 1;\nclient_max_body_size 1m;", "gzip off;\nlua_code x;"),
		);
		for (const name of ["gzip", "proxy_cache", "frobnicate", "client_max_body_size", "lua_code"]) {
			expect(
				lines.filter((line) => new RegExp(`^nginx\\.conf:\\d+: ${name}: .{20}`).test(line)),
				name,
			).toHaveLength(1);
		}
		expect(lines.find((line) => line.includes(": gzip: "))).toMatch(/^nginx\.conf:6: .*\(also line 13\)$/);
	});

	it("are counted by severity at the end, and an error_page is among them", async () => {
		const { notes } = await imported(
			server("error_page 502 /50x.html;\ngzip on;\nproxy_buffering off;\nlocation /files { root /srv; }"),
		);
		expect(summarise(notes)).toEqual([
			"1 refused (clients are refused until you say what to do with their requests): nginx.conf:9",
			"1 different (works, but not quite as nginx did it): nginx.conf:6",
			expect.stringMatching(/^\d dropped \(has no effect any more\): nginx\.conf:7/),
			"1 not needed (nothing is lost): nginx.conf:8",
		]);
	});

	it("say nothing about what the gateway does by itself", async () => {
		const map = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }";
		const silent =
			"proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_read_timeout 1h;";
		const { lines } = await imported(server("", silent, map));
		expect(lines.map((line) => line.split(": ")[1])).toEqual(["Origin"]);
	});

	it("name the first location without a proxy_read_timeout, not one that has its own", async () => {
		const to = "proxy_pass http://127.0.0.1:1;";
		const { lines } = await imported(
			`http {\nserver {\nlisten 80;\nlocation /a/ {\n${to} proxy_read_timeout 1h; }\nlocation /b/ { ${to} }\n} }`,
		);
		expect(lines.filter((line) => line.includes(": proxy_read_timeout: "))).toEqual([
			expect.stringMatching(/^nginx\.conf:6: /),
		]);
	});

	it("are all there is when no location goes to a backend", async () => {
		const { dir } = await temporaryFiles({ "nginx.conf": "http { server { listen 80; location / { root /srv; } } }" });
		const { text, notes } = importNginx("nginx.conf", dir);
		expect(text).toBeUndefined();
		expect(notes.map(({ directive }) => directive)).toEqual(["location /"]);
	});
});
