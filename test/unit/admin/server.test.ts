import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { healthRoutes, type Readiness } from "../../../src/admin/health.ts";
import { metricsRoute } from "../../../src/admin/metrics.ts";
import { sendJson } from "../../../src/admin/respond.ts";
import { type AdminOptions, type AdminServer, startAdmin } from "../../../src/admin/server.ts";
import { Metrics } from "../../../src/telemetry/metrics.ts";
import { ask, portOf, sendRaw } from "./client.fixtures.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };

const open: AdminServer[] = [];

afterEach(async () => {
	await Promise.all(open.splice(0).map((admin) => admin.close()));
});

async function start(options: Partial<AdminOptions> = {}): Promise<AdminServer> {
	const admin = await startAdmin({ address: LOCAL, routes: healthRoutes(() => ({ ready: true })), ...options });
	open.push(admin);
	return admin;
}

describe("health", () => {
	it("answers healthz while the process runs, whether it is ready or not", async () => {
		const admin = await start({ routes: healthRoutes(() => ({ ready: false })) });
		expect(await ask(admin, "GET", "/healthz")).toMatchObject({ status: 200, body: "ok" });
	});

	it("answers readyz with the reason as long as there is one", async () => {
		let state: Readiness = { ready: false, reason: "starting" };
		const admin = await start({ routes: healthRoutes(() => state) });
		expect(await ask(admin, "GET", "/readyz")).toMatchObject({ status: 503, body: "not ready: starting" });
		state = { ready: true };
		expect(await ask(admin, "GET", "/readyz")).toMatchObject({ status: 200, body: "ready" });
	});

	it("ignores a query", async () => {
		const admin = await start();
		expect(await ask(admin, "GET", "/healthz?verbose=1")).toMatchObject({ status: 200, body: "ok" });
	});

	it("answers HEAD like GET without the body", async () => {
		const admin = await start();
		const answer = await ask(admin, "HEAD", "/healthz");
		expect(answer).toMatchObject({ status: 200, body: "" });
		expect(answer.headers["content-length"]).toBe("2");
	});
});

describe("metrics", () => {
	it("are served in Prometheus's text format", async () => {
		const none = () => [];
		const metrics = new Metrics({
			source: {
				connections: none,
				traffic: none,
				endpoints: none,
				draining: () => 3,
				certificates: none,
				logLinesLost: () => 0,
				workers: () => ({ serving: 1, configured: 1 }),
				limiters: none,
				hubRules: none,
				hubConnections: none,
			},
			nodeMetrics: false,
		});
		const admin = await start({ routes: [metricsRoute(metrics)] });
		const answer = await ask(admin, "GET", "/metrics");
		expect(answer.status).toBe(200);
		expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
		expect(answer.body).toContain("\nclawgate_draining_connections 3\n");
		expect(await ask(admin, "HEAD", "/metrics")).toMatchObject({ status: 200, body: "" });
	});

	it("are a 500 when they cannot be had, and the reason is reported to the gateway, not to the client", async () => {
		const onError = vi.fn();
		const broken = { contentType: "text/plain", render: () => Promise.reject(new Error("secret detail")) };
		const admin = await start({ routes: [metricsRoute(broken)], onError });
		const answer = await ask(admin, "GET", "/metrics");
		expect(answer.status).toBe(500);
		expect(answer.body).not.toContain("secret");
		expect(onError).toHaveBeenCalledExactlyOnceWith(
			expect.objectContaining({ message: "secret detail" }),
			"admin GET /metrics",
		);
	});
});

describe("routing", () => {
	const echo: AdminOptions["routes"] = [
		{
			method: "GET",
			path: "/api/v1/connections/{id}",
			handler: ({ params, query }, response) => sendJson(response, 200, { params, limit: query.get("limit") }),
		},
		{ method: "DELETE", path: "/api/v1/connections/{id}", handler: (_, response) => sendJson(response, 200, {}) },
		{
			method: "POST",
			path: "/api/v1/reload",
			handler: () => {
				throw new Error("broken");
			},
		},
	];

	it("hands over the path's parameters and the query", async () => {
		const admin = await start({ routes: echo });
		const answer = await ask(admin, "GET", "/api/v1/connections/a%2Fb?limit=5");
		expect(JSON.parse(answer.body)).toEqual({ params: { id: "a/b" }, limit: "5" });
		expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
	});

	it.each(["/", "/nothing", "/healthz/", "/HEALTHZ", "//healthz", "/healthz/../healthz"])(
		"answers 404 to %s",
		async (path) => {
			const answer = await ask(await start(), "GET", path);
			expect(answer).toMatchObject({ status: 404, body: "NOT_FOUND: there is nothing at this path\n" });
			expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
		},
	);

	it("answers errors of the API as JSON", async () => {
		const onError = vi.fn();
		const admin = await start({ routes: echo, onError });
		const nothing = await ask(admin, "GET", "/api/v1/nothing");
		expect(nothing.status).toBe(404);
		expect(JSON.parse(nothing.body)).toEqual({
			error: { code: "NOT_FOUND", message: "there is nothing at this path" },
		});
		const broken = await ask(admin, "POST", "/api/v1/reload");
		expect(broken.status).toBe(500);
		expect(JSON.parse(broken.body).error.code).toBe("INTERNAL");
		expect(onError).toHaveBeenCalledOnce();
		expect((await ask(admin, "GET", "/api/v1/connections/%zz")).status).toBe(404);
	});

	it("answers 405 with the methods that are allowed", async () => {
		const admin = await start({ routes: [...echo, ...healthRoutes(() => ({ ready: true }))] });
		const answer = await ask(admin, "POST", "/healthz");
		expect(answer.status).toBe(405);
		expect(answer.headers.allow).toBe("GET, HEAD");
		expect((await ask(admin, "PATCH", "/api/v1/connections/1")).headers.allow).toBe("GET, HEAD, DELETE");
		expect((await ask(admin, "HEAD", "/api/v1/reload")).headers.allow).toBe("POST");
	});
});

describe("the token", () => {
	const secured: Partial<AdminOptions> = {
		token: "s3cret",
		routes: [
			...healthRoutes(() => ({ ready: true })),
			metricsRoute({ contentType: "text/plain", render: async () => "numbers" }),
		],
	};

	it.each([undefined, "Bearer", "Bearer ", "Bearer wrong", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret"])(
		"refuses %s",
		async (authorization) => {
			const admin = await start(secured);
			const answer = await ask(admin, "GET", "/metrics", authorization === undefined ? {} : { authorization });
			expect(answer.status).toBe(401);
			expect(answer.headers["www-authenticate"]).toBe('Bearer realm="clawgate"');
			expect(answer.body).not.toContain("numbers");
		},
	);

	it.each(["Bearer s3cret", "bearer s3cret"])("lets %s in", async (authorization) => {
		const admin = await start(secured);
		expect(await ask(admin, "GET", "/metrics", { authorization })).toMatchObject({ status: 200, body: "numbers" });
	});

	it("is not needed for health, whatever the Host", async () => {
		const admin = await start(secured);
		const headers = { host: "10.1.2.3:9090" };
		expect((await ask(admin, "GET", "/healthz", headers)).status).toBe(200);
		expect((await ask(admin, "GET", "/readyz", headers)).status).toBe(200);
		expect((await ask(admin, "POST", "/readyz", headers)).status).toBe(405);
	});

	it("does not tell a stranger which paths exist", async () => {
		const admin = await start(secured);
		expect((await ask(admin, "GET", "/nothing")).status).toBe(401);
		expect((await ask(admin, "POST", "/metrics")).status).toBe(401);
	});
});

describe("the Host header", () => {
	it("must be the admin port's own when there is no token, against DNS rebinding", async () => {
		const admin = await start({ address: { host: "127.0.0.1", port: 0 } });
		for (const host of ["localhost", "LOCALHOST:9090", "127.0.0.1:1", "127.1.2.3", "[::1]:9090"]) {
			expect((await ask(admin, "GET", "/healthz", { host })).status, host).toBe(200);
		}
		for (const host of ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "localhost.evil.example"]) {
			const answer = await ask(admin, "GET", "/healthz", { host });
			expect(answer.status, host).toBe(421);
			expect(answer.body).toMatch(/^WRONG_HOST: /);
		}
	});

	it("may be anything on a unix socket, which no browser reaches", async () => {
		const folder = mkdtempSync(join(tmpdir(), "clawgate-admin-"));
		const admin = await start({ address: { path: join(folder, "admin.sock") } });
		expect((await ask(admin, "GET", "/healthz", { host: "anything" })).status).toBe(200);
		await admin.close();
		rmSync(folder, { recursive: true });
	});
});

describe("the server", () => {
	it("says which address is taken", async () => {
		const port = portOf(await start());
		await expect(start({ address: { host: "127.0.0.1", port } })).rejects.toThrow(
			`cannot listen on 127.0.0.1:${port} (admin.address): the port is in use by another process; change admin.address or stop that process`,
		);
	});

	it("answers 400 to what is no HTTP and 431 to an endless head, and goes on", async () => {
		const admin = await start();
		expect(await sendRaw(portOf(admin), "hello\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
		expect(await sendRaw(portOf(admin), `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}`)).toMatch(/^HTTP\/1\.1 431 /);
		expect((await ask(admin, "GET", "/healthz")).status).toBe(200);
	});

	it("does not mind clients that reset", async () => {
		const admin = await start();
		for (let round = 0; round < 20; round++) {
			await new Promise<void>((resolve) => {
				const socket = connect(portOf(admin), "127.0.0.1", () => {
					socket.write("GET /healthz HTTP/1.1\r\nHost: local");
					socket.resetAndDestroy();
				});
				socket.on("error", () => {});
				socket.on("close", () => resolve());
			});
		}
		expect((await ask(admin, "GET", "/healthz")).status).toBe(200);
	});

	it("ends kept-alive connections when it is closed", async () => {
		const admin = await start();
		const agent = new Agent({ keepAlive: true });
		await new Promise<void>((resolve, reject) => {
			get({ host: "127.0.0.1", port: portOf(admin), path: "/healthz", agent }, (response) => {
				response.resume();
				response.on("end", resolve);
			}).on("error", reject);
		});
		const begin = performance.now();
		await admin.close();
		expect(performance.now() - begin).toBeLessThan(900);
		agent.destroy();
	});

	it("ends open streams too when it is closed, and closing twice is fine", async () => {
		const admin = await start({
			routes: [
				{
					method: "GET",
					path: "/stream",
					handler: (_, response) => {
						response.write("never ending");
					},
				},
			],
		});
		const ended = new Promise<void>((resolve, reject) => {
			get({ host: "127.0.0.1", port: portOf(admin), path: "/stream", agent: false }, (response) => {
				response.on("error", () => {});
				response.on("close", resolve);
				response.once("data", () => {
					admin.close().catch(reject);
				});
			}).on("error", reject);
		});
		await ended;
		await Promise.all([admin.close(), admin.close()]);
		await expect(ask(admin, "GET", "/stream")).rejects.toThrow(/ECONNREFUSED/);
	});
});
