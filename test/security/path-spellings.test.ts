/** Spellings of a path that some servers read as another one: no rule can be walked around where nginx's cannot. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Explanation } from "../../src/gateway/explain.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { accepts, dedent, startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { runCli } from "../integration/cli.fixtures.ts";
import { anyBackend, handshakeHead, plainHead } from "./bad-input.ts";

const SPELLINGS = [
	...["/admin", "/admin/x", "//admin/x", "///admin", "/admin//x", "/./admin", "/x/../admin", "/%2e/admin", "/admin?/x"],
	...["/%61dmin/x", "/adm%69n/x", "/%41dmin/x", "/ADMIN/x", "/admin/%2e%2e/x", "/x/%2e%2e/admin/x", "/x/.../admin"],
	...["/admin%2fx", "/admin%2Fx", "/%2fadmin/x", "/x/..%2fadmin/x", "/admin%5cx", "/x/..%5cadmin/x"],
	...["/admin;a=1/x", "/admin;/x", "/admin;", "/;a/admin/x", "/admin%3b/x", "/x/..;/admin/x", "/admin%2f;/x"],
	...["/admin%20/x", "/admin./x", "/admin%09/x", "/admin%0d%0a/x", "/admin%00/x", "/.%09./admin", "/x/..%20/admin"],
	...["/admin%23/x", "/admin%3f/x", "/admin#x", "/admin%u002fx", "/%e0%a4%a/admin", "/x/..%c0%afadmin/x"],
	...["/x/%252e%252e/admin/x", "/admin~1/x", "/public/a%2fb", "/public/a;v=1/b."],
];

/** nginx compares a prefix by characters, the gateway by whole names: this is another name. */
const OTHER_NAME = "/admin~1/x";

async function startNginx(backend: number): Promise<number> {
	const folder = await mkdtemp(join(tmpdir(), "clawgate-nginx-"));
	const port = await freePort();
	await writeFile(
		join(folder, "nginx.conf"),
		`daemon off; master_process off; pid nginx.pid; events {}
		http {
			access_log off; client_body_temp_path body; proxy_temp_path proxy;
			fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
			server {
				listen 127.0.0.1:${port};
				location /admin { deny all; }
				location / { proxy_pass http://127.0.0.1:${backend}; }
			}
		}`,
	);
	const child = spawn("/usr/sbin/nginx", ["-p", folder, "-c", "nginx.conf", "-e", join(folder, "error.log")]);
	const ended = new Promise((resolve) => child.once("close", resolve));
	child.once("error", () => {});
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await ended;
		await rm(folder, { recursive: true, force: true });
	});
	await until(() => accepts(port), { what: `nginx (apt-get install nginx) on port ${port}` });
	return port;
}

const ROUTES = `
	routes:
		- { name: admin, match: { path_prefix: /admin }, upstream: a, deny: [0.0.0.0/0] }
		- { name: open, match: { path_prefix: / }, upstream: a }
`;

async function status(port: number, head: Buffer): Promise<number> {
	const client = await connectRaw({ port });
	client.write(head);
	const { status } = await client.readHead();
	client.reset();
	return status;
}

test("no spelling of a path reaches the backend past a rule that nginx's same rule would stop", async () => {
	const backend = await startRawBackend(anyBackend);
	const [gateway, nginx] = await Promise.all([
		startTestGateway(`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { a: { endpoints: ["${backend.url}"] } }
			${dedent(ROUTES).trim().replaceAll("\n", "\n\t\t\t")}
		`),
		startNginx(backend.port),
	]);
	const passed: string[] = [];
	for (const spelling of SPELLINGS) {
		const start = `GET ${spelling} HTTP/1.1`;
		const [plain, upgrade, theirs] = await Promise.all([
			status(gateway.port, plainHead({ start })),
			status(gateway.port, handshakeHead({ start })),
			status(nginx, plainHead({ start })),
		]);
		expect([spelling, upgrade < 300], "WebSocket and plain HTTP alike").toEqual([spelling, plain < 300]);
		if (plain < 300) passed.push(spelling);
		if (spelling !== OTHER_NAME && theirs >= 300) expect([spelling, plain >= 300]).toEqual([spelling, true]);
	}
	expect(passed).toEqual([
		...[
			"/%41dmin/x",
			"/ADMIN/x",
			"/x/.../admin",
			"/x/..%20/admin",
			"/x/..%c0%afadmin/x",
			"/x/%252e%252e/admin/x",
			OTHER_NAME,
		],
		...["/public/a%2fb", "/public/a;v=1/b."],
	]);
	await gateway.expectQuiet();
});

test("explain tells how the path can be read and which route that would be for, check that such a path cannot match", async () => {
	const yaml = (path: string): string => `
		listeners: [{ address: ":8080" }]
		upstreams: { a: { endpoints: ["ws://10.1.0.1:1"] } }
		routes:
			- { name: admin, match: { path_prefix: ${path} }, upstream: a, deny: [0.0.0.0/0] }
			- { name: open, match: { path_prefix: / }, upstream: a }
	`;
	const { dir } = await temporaryFiles({
		"routes.yaml": dedent(yaml("/admin")),
		"pattern.yaml": dedent(yaml("/x").replace("path_prefix: /x", "path_regex: ^/a%2fb")),
		"bad.yaml": dedent(yaml('"/admin;v=1"')),
	});
	const { code, out } = await runCli(["explain", "--json", "ws://x:8080/admin;v=1/secret"], { cwd: dir });
	const { refusal } = JSON.parse(out) as Explanation;
	expect([code, refusal?.code]).toEqual([1, "BAD_TARGET"]);
	expect(refusal?.message).toBe("some servers read this path as /admin/secret, which is for another route");
	const checked = await runCli(["check", "-c", "bad.yaml"], { cwd: dir });
	expect(checked.out + checked.err).toContain("bad.yaml:4:42");
	expect(checked.out + checked.err).toContain("could never match");
	const warned = await runCli(["check", "-c", "pattern.yaml"], { cwd: dir });
	expect(warned.out + warned.err).toContain("%2f never matches: paths are decoded before they are compared; write /");
});
