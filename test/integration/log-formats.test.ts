/** `log.format: nginx` and `log.template`, of a running gateway. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { accepts, startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { connectRaw, openRaw, type RawClient } from "../harness/raw-client.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

const NGINX = "/usr/sbin/nginx";

async function start(log: string, route = ""): Promise<TestGateway> {
	const backend = await startWsBackend({
		onRequest: (_, response) => response.writeHead(200, { "Content-Length": "3" }).end("ok\n"),
	});
	return startTestGateway(
		[
			'listeners: [{ address: "127.0.0.1:0" }]',
			`log: ${log}`,
			`upstreams: { app: { endpoints: ["${backend.url}"] } }`,
			"routes:",
			"  - name: app",
			"    match: { path_prefix: /app }",
			"    upstream: app",
			`    ${route}`,
		].join("\n"),
	);
}

/** Sends a plain request and reads the whole answer. */
async function request(port: number, target: string, headers: string[] = [], method = "GET"): Promise<string> {
	const client = await connectRaw({ port });
	client.write(
		`${method} ${target} HTTP/1.1\r\nHost: gateway.test\r\n${headers.map((line) => `${line}\r\n`).join("")}Connection: close\r\n\r\n`,
	);
	const head = await client.readHead();
	return client.readBody(head);
}

/** A clean close. */
async function sayGoodbye(client: RawClient, code: number, reason = ""): Promise<void> {
	client.sendClose(code, reason);
	await client.readFrameOf(OPCODE.close);
	client.end();
	await client.ended();
}

/** The log's lines once there are so many. */
async function lines({ lines: { other } }: TestGateway, count: number): Promise<string[]> {
	await until(() => other.length >= count, { what: `${count} lines; there are:\n${other.join("\n")}` });
	return other;
}

const withoutTime = (line: string): string => line.replace(/\[[^\]]*\]/, "[time]");

describe("log.format: nginx", () => {
	it("writes one combined line for each WebSocket, refusal and request that ended, without query", async () => {
		const gateway = await start("{ format: nginx }");
		const client = await openRaw(gateway.port, "/app/ws?token=s3cret", { headers: { "User-Agent": "probe/1" } });
		expect(gateway.lines.other).toEqual([]);
		client.sendFrame(1, "hello");
		await client.readFrame();
		await sayGoodbye(client, 1000);
		const [closed] = await lines(gateway, 1);
		// A text frame of five bytes and a Close frame of two, each with two bytes of header.
		expect(withoutTime(closed as string)).toBe('127.0.0.1 - - [time] "GET /app/ws HTTP/1.1" 101 11 "-" "probe/1"');

		const refused = await connectRaw({ port: gateway.port });
		const head = await refused.handshake("/nowhere?token=s3cret");
		const { length } = await refused.readBody(head);
		expect(length).toBeGreaterThan(0);
		expect(withoutTime((await lines(gateway, 2))[1] as string)).toBe(
			`127.0.0.1 - - [time] "GET /nowhere HTTP/1.1" 404 ${length} "-" "-"`,
		);

		expect(await request(gateway.port, "/app/page?token=s3cret", [], "POST")).toBe("ok\n");
		expect(withoutTime((await lines(gateway, 3))[2] as string)).toBe(
			'127.0.0.1 - - [time] "POST /app/page HTTP/1.1" 200 3 "-" "-"',
		);

		const answer = await request(gateway.port, "/other");
		expect(withoutTime((await lines(gateway, 4))[3] as string)).toBe(
			`127.0.0.1 - - [time] "GET /other HTTP/1.1" 404 ${answer.length} "-" "-"`,
		);
		await gateway.stop();
		expect(gateway.logs).toEqual([]);
		expect(gateway.lines.other.join("\n")).not.toContain("s3cret");
	});

	it("writes the same line as nginx does, also for headers that try to forge one", async () => {
		const gateway = await start("{ format: nginx }");
		const nginx = await startNginx();
		const cases: string[][] = [
			[],
			["User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Referer: https://app.example.com/room"],
			['User-Agent: " 200 0 "-" "forged'],
			["User-Agent: back\\slash \\x22", "Referer: inner\ttab"],
			["User-Agent: na\xefve \xf0\x9f\x92\xa5 \x80"],
			["User-Agent: $remote_addr [01/Jan/2026:00:00:00 +0000]"],
		];
		for (const [index, headers] of cases.entries()) {
			expect(await request(nginx.port, "/app/x", headers)).toBe("ok\n");
			expect(await request(gateway.port, "/app/x", headers)).toBe("ok\n");
			const ours = (await lines(gateway, index + 1))[index] as string;
			const theirs = await until(async () => (await nginx.lines())[index], { what: "nginx's line" });
			expect(withoutTime(ours)).toBe(withoutTime(theirs));
			expect(/\[([^\]]*)\]/.exec(ours)?.[1]).toMatch(/^\d{2}\/[A-Z][a-z]{2}\/\d{4}(:\d{2}){3} [+-]\d{4}$/);
			expect(/\[[^\]]*(.....)\]/.exec(ours)?.[1]).toBe(/\[[^\]]*(.....)\]/.exec(theirs)?.[1]);
		}
	});

	it("tells everything else as nginx's error log would", async () => {
		const gateway = await startReloadable(`
			listeners: [{ address: "127.0.0.1:0" }]
			log: { format: nginx }
			upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
			routes: [{ name: a, upstream: app }]
		`);
		gateway.write(`
			listeners: [{ address: "127.0.0.1:0" }]
			log: { format: nginx }
			upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
			routes: [{ name: b, upstream: app }]
		`);
		await gateway.handle.reload("api");
		const line = await until(() => gateway.lines.other.find((text) => text.includes("config.reload")), {
			what: "the line of the reload",
		});
		expect(line).toMatch(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[info\] \d+#0: config\.reload trigger=\w+ routes=1 /);
	});
});

describe("log.template", () => {
	it("writes the operator's line, and knows at the close how the connection opened", async () => {
		const gateway = await start(
			"{ template: '$event $status $close_code $close_initiator $attempts $handshake_ms $request_time' }",
		);
		const client = await openRaw(gateway.port, "/app");
		await sayGoodbye(client, 4001, "bye");
		expect((await lines(gateway, 1))[0]).toMatch(
			/^ws\.close 101 4001 client 127\.0\.0\.1:\d+:ok:[\d.]+ms [\d.]+ \d+\.\d{3}$/,
		);
	});

	it("escapes what a client wrote", async () => {
		const gateway = await start("{ template: '$client_ip|$close_reason|$user_agent' }");
		const client = await openRaw(gateway.port, "/app", { headers: { "User-Agent": 'a"b' } });
		await sayGoodbye(client, 4001, "x\n127.0.0.1|forged|\u001b[2J");
		const [line, ...more] = await lines(gateway, 1);
		expect(line).toBe(String.raw`127.0.0.1|x\x0A127.0.0.1|forged|\x1B[2J|a\x22b`);
		expect(more).toEqual([]);
	});

	it("comes and goes with a reload; a mistake in it changes nothing", async () => {
		const backend = await startWsBackend();
		const config = (log: string): string => `
			listeners: [{ name: l, address: "127.0.0.1:0" }]
			log: ${log}
			upstreams: { app: { endpoints: ["${backend.url}"] } }
			routes: [{ name: a, upstream: app }]
		`;
		const gateway = await startReloadable(config("{ format: json }"));
		const opened = await openRaw(gateway.port);
		await gateway.lines.waitFor("ws.open");
		gateway.write(config("{ template: '$event $endpoint $handshake_ms' }"));
		expect(await gateway.handle.reload("api")).toMatchObject({ result: "success" });
		await sayGoodbye(opened, 1000);
		// It was opened before anybody wanted to know how.
		await until(() => gateway.lines.other.includes(`ws.close ${backend.id} -`), { what: "the template's line" });

		gateway.write(config("{ template: '$evnt' }"));
		expect(await gateway.handle.reload("api")).toEqual({
			result: "rejected",
			problems: [
				expect.stringMatching(
					/routes\.yaml:2:\d+: log\.template: there is no variable \$evnt, did you mean \$event\?$/,
				),
			],
		});
		const next = await openRaw(gateway.port);
		await sayGoodbye(next, 1000);
		await until(
			() => gateway.lines.other.some((line) => line.startsWith(`ws.close ${backend.id} `) && !line.endsWith("-")),
			{
				what: "a line of the template that is still in force",
			},
		);
	});
});

/** A real nginx that answers like the backend and writes `combined` to a file. */
async function startNginx(): Promise<{ port: number; lines(): Promise<string[]> }> {
	if (!existsSync(NGINX))
		throw new Error(`${NGINX} is missing: install the Debian package nginx (apt-get install nginx)`);
	const folder = await mkdtemp(join(tmpdir(), "clawgate-log-"));
	onTestFinished(() => rm(folder, { recursive: true, force: true }));
	const port = await freePort();
	const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
		.map((kind) => `${kind}_temp_path ${folder}/${kind};`)
		.join(" ");
	await writeFile(
		join(folder, "nginx.conf"),
		`events {}
		http {
			${temporary}
			access_log ${folder}/access.log combined;
			server { listen 127.0.0.1:${port}; location / { default_type text/plain; return 200 "ok\\n"; } }
		}`,
	);
	const globals = `daemon off; master_process off; pid ${folder}/nginx.pid;`;
	const child = spawn(
		NGINX,
		["-p", folder, "-c", join(folder, "nginx.conf"), "-e", `${folder}/error.log`, "-g", globals],
		{
			stdio: "ignore",
		},
	);
	const exit = once(child, "exit");
	onTestFinished(async () => {
		child.kill("SIGTERM");
		await exit;
	});
	await until(() => accepts(port), { what: "nginx to listen" });
	return {
		port,
		lines: async () => (await readFile(join(folder, "access.log"), "utf8")).split("\n").filter((line) => line !== ""),
	};
}
