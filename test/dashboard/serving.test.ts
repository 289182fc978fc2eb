/** What the admin port serves at `/`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { dashboardRoutes } from "../../src/admin/dashboard.ts";
import { startAdmin } from "../../src/admin/server.ts";
import { startTestGateway } from "../harness/gateway.ts";

const INDEX = '<!doctype html><meta name="clawgate-token" content="unknown" /><title>x</title>';

interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly body: Buffer;
}

function ask(port: number, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.on("end", () =>
				resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
			);
		});
		sent.on("error", reject);
		sent.end();
	});
}

async function serving(files: Readonly<Record<string, string>>, token = "") {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-dashboard-"));
	const write = (some: Readonly<Record<string, string>>): void => {
		mkdirSync(join(folder, "built/assets"), { recursive: true });
		for (const [name, text] of Object.entries(some)) writeFileSync(join(folder, "built", name), text);
	};
	if (Object.keys(files).length > 0) write(files);
	const routes = dashboardRoutes(pathToFileURL(`${folder}/built/`), token !== "");
	const server = await startAdmin({ address: { host: "127.0.0.1", port: 0 }, token, routes });
	onTestFinished(async () => {
		await server.close();
		rmSync(folder, { recursive: true });
	});
	const { port } = server.address as { port: number };
	return {
		write,
		ask: (path: string, headers?: Record<string, string>, method?: string) => ask(port, path, headers, method),
	};
}

const FILES = {
	"index.html": INDEX,
	"assets/index-abc.js": "console.log(1)",
	"assets/index-abc.css": "a{}",
	"assets/icon-abc.svg": "<svg/>",
	"secret.txt": "not for you",
};

test("every file has its type, and headers that keep everything foreign out", async () => {
	const { ask } = await serving(FILES);
	const types = {
		"/": "text/html; charset=utf-8",
		"/assets/index-abc.js": "text/javascript; charset=utf-8",
		"/assets/index-abc.css": "text/css; charset=utf-8",
		"/assets/icon-abc.svg": "image/svg+xml; charset=utf-8",
	};
	for (const [path, type] of Object.entries(types)) {
		const { status, headers } = await ask(path);
		expect([status, headers["content-type"]], path).toEqual([200, type]);
		expect(headers["x-content-type-options"]).toBe("nosniff");
		const policy = String(headers["content-security-policy"]);
		for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
			expect(policy.split("; ")).toContain(rule);
		}
		expect(policy).not.toContain("unsafe");
	}
});

test("the page is asked about each time, the assets never again; a known tag is answered with 304", async () => {
	const { ask } = await serving(FILES);
	const page = await ask("/");
	expect(page.headers["cache-control"]).toBe("no-cache");
	const asset = await ask("/assets/index-abc.js");
	expect(asset.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
	for (const [path, { headers }] of [
		["/", page],
		["/assets/index-abc.js", asset],
	] as const) {
		const again = await ask(path, { "If-None-Match": `"other", ${headers.etag}` });
		expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, headers.etag]);
		expect((await ask(path, { "If-None-Match": '"other"' })).status).toBe(200);
	}
	const head = await ask("/", {}, "HEAD");
	expect([head.status, head.body.length, head.headers["content-length"]]).toEqual([
		200,
		0,
		page.headers["content-length"],
	]);
});

test("whoever takes gzip gets it", async () => {
	const { ask } = await serving(FILES);
	const path = "/assets/index-abc.js";
	const zipped = await ask(path, { "Accept-Encoding": "br, gzip" });
	expect([zipped.headers["content-encoding"], zipped.headers.vary]).toEqual(["gzip", "Accept-Encoding"]);
	expect(gunzipSync(zipped.body).toString()).toBe(FILES["assets/index-abc.js"]);
	for (const accepted of ["identity", "gzip;q=0", "gzip; q=0.0, br", "xgzip"]) {
		const plain = await ask(path, { "Accept-Encoding": accepted });
		expect(plain.headers["content-encoding"], accepted).toBeUndefined();
		expect(plain.body.toString()).toBe(FILES["assets/index-abc.js"]);
	}
});

test("nothing but the built files can be had, whatever the path is", async () => {
	const { ask } = await serving(FILES);
	for (const path of [
		"/secret.txt",
		"/assets/../secret.txt",
		"/assets/..%2fsecret.txt",
		"/assets/%2e%2e%2fsecret.txt",
		"/assets/..%5csecret.txt",
		"/assets/",
		"/assets/nothing.js",
		"/assets/index-abc.js/",
		"/assets/index-abc.js%00",
		"/assets/__proto__",
		"//secret.txt",
	]) {
		const { status, body } = await ask(path);
		expect(status, path).toBe(404);
		expect(body.toString()).not.toContain("not for you");
	}
	expect((await ask("/", {}, "POST")).status).toBe(405);
});

test("a page that was not built says what to do, and appears when it is", async () => {
	const { ask, write } = await serving({});
	const { status, body } = await ask("/");
	expect([status, body.toString()]).toEqual([503, "NOT_BUILT: the dashboard was not built; run npm run build\n"]);
	expect((await ask("/assets/index-abc.js")).status).toBe(404);
	write(FILES);
	expect((await ask("/")).status).toBe(200);
});

test("the page and its assets need no token, and the page is told whether the API does", async () => {
	const open = await serving(FILES);
	expect((await open.ask("/")).body.toString()).toContain('<meta name="clawgate-token" content="none" />');
	const guarded = await serving(FILES, "top-secret");
	const page = await guarded.ask("/");
	expect(page.body.toString()).toContain('<meta name="clawgate-token" content="required" />');
	expect(page.body.toString()).not.toContain("top-secret");
	expect((await guarded.ask("/assets/index-abc.js")).status).toBe(200);
	expect((await guarded.ask("/elsewhere")).status).toBe(401);
});

test("the gateway serves what the build made, and guards everything else with the token", async () => {
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		admin: { address: "127.0.0.1:0", token: top-secret }
		upstreams: { chat: { endpoints: ["ws://127.0.0.1:1"] } }
		routes: [{ upstream: chat }]
	`);
	const port = gateway.handle.adminPort as number;
	const page = (await ask(port, "/")).body.toString();
	expect(page).toContain('content="required"');
	const assets = [...page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1] as string);
	expect(assets.map((name) => name.split(".").at(-1)).toSorted()).toEqual(["css", "js", "svg"]);
	for (const asset of assets) expect((await ask(port, `/${asset}`)).status, asset).toBe(200);
	expect(page).not.toMatch(/<script(?![^>]* src=)|style=|https?:\/\//);
	for (const path of ["/api/v1/activity", "/api/v1/config", "/api/v1/openapi.json", "/metrics"]) {
		expect((await ask(port, path)).status, path).toBe(401);
		expect((await ask(port, path, { authorization: "Bearer top-secret" })).status, path).toBe(200);
	}
});
