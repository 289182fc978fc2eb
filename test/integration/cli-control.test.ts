/** `clawgate connections`, `endpoints`, `drain` and `close` against a running gateway. */
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { startNode } from "../harness/child.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { listen, startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";
import { adminYaml, api } from "./admin.fixtures.ts";
import { type CliOptions, runCli, type Said } from "./cli.fixtures.ts";

async function chat(more = "") {
	const [one, two] = [await startWsBackend(), await startWsBackend()];
	const gateway = await startTestGateway(adminYaml({ chat: [one.url, two.url] }, more));
	const admin = `http://127.0.0.1:${gateway.handle.adminPort}`;
	return {
		one,
		two,
		gateway,
		admin,
		open: (...protocols: string[]) => openWs(gateway.url("/chat"), protocols),
		cli: (argv: string[], options?: CliOptions): Promise<Said> => runCli([...argv, "--admin", admin], options),
	};
}

describe("clawgate connections", () => {
	test("lists them in aligned columns, the newest first, and says how many there are", async () => {
		const { open, cli, one, two, gateway } = await chat();
		const first = await open("chat.v2");
		await open();
		first.socket.send("x".repeat(2000));
		await first.next();
		const { code, out, err } = await cli(["connections"]);
		expect([code, err]).toEqual([0, "2 connections\n"]);
		const [head, newest, oldest, ...rest] = out.split("\n");
		expect(rest).toEqual([""]);
		expect(head).toMatch(
			/^CONNECTION +KIND +CLIENT +ROUTE +ENDPOINT +SUBPROTOCOL +AGE +MSGS IN +MSGS OUT +BYTES IN +BYTES OUT$/,
		);
		const ids = gateway.logs.filter(({ event }) => event === "ws.open").map((record) => record.connection_id);
		expect(newest).toMatch(new RegExp(`^${ids[1]}  websocket  127.0.0.1  chat   ${two.id} `));
		expect(oldest).toMatch(
			new RegExp(`^${ids[0]}  websocket  127.0.0.1  chat   ${one.id}  chat.v2 +\\d+s +1 +1 +2.0K +2.0K$`),
		);
		expect(head?.indexOf("SUBPROTOCOL")).toBe(oldest?.indexOf("chat.v2"));
		expect(out).not.toContain("\u001b");
	});

	test("filters, limits, sorts, and gives JSON", async () => {
		const { open, cli } = await chat();
		const clients = [await open("a"), await open("a"), await open("b")];
		clients[1]?.socket.send("much more than the others");
		await clients[1]?.next();
		expect((await cli(["connections", "subprotocol=a"])).err).toBe("2 connections\n");
		expect((await cli(["connections", "subprotocol=a", "client_ip=10.0.0.0/8"])).err).toBe("0 connections\n");
		expect((await cli(["connections", "--limit", "1"])).err).toBe(
			"3 connections, 1 of them shown (--limit N, or --limit all, shows more)\n",
		);
		const { out, err } = await cli(["connections", "--json", "--sort", "bytes_in", "--limit", "1"]);
		const { connections, total } = JSON.parse(out);
		expect([total, connections.length, connections[0].messages_in, err]).toEqual([3, 1, 1, ""]);
		expect(JSON.parse((await cli(["connections", "--json", "--limit", "all"])).out).connections).toHaveLength(3);
	});

	test("walks through as many pages as it takes", { timeout: 60_000 }, async () => {
		const { open, cli } = await chat();
		for (let round = 0; round < 21; round++) await Promise.all(Array.from({ length: 50 }, () => open()));
		const all = JSON.parse((await cli(["connections", "--json", "--limit", "all"])).out);
		expect(all.total).toBe(1050);
		expect(new Set(all.connections.map((each: { connection_id: string }) => each.connection_id)).size).toBe(1050);
		const sorted = JSON.parse((await cli(["connections", "--json", "--limit", "1020", "--sort", "bytes_in"])).out);
		expect(sorted.connections).toHaveLength(1020);
	});

	test("uses colours on a terminal only, and none when they are not wanted", async () => {
		const { open, cli } = await chat();
		await open();
		expect((await cli(["connections"], { terminal: true })).out).toContain("\u001b[1mCONNECTION");
		expect((await cli(["connections"], { terminal: true, env: { NO_COLOR: "1" } })).out).not.toContain("\u001b");
	});

	test("does not hand a client's control characters to the terminal", async () => {
		const server = createServer((_, response) => {
			const connection = {
				connection_id: "1",
				client_ip: "192.0.2.1",
				subprotocol: "\u001b[2Jgone\u202e",
				age_ms: 90_061_000,
				bytes_in: 0,
				bytes_out: 5_000_000,
				messages_in: 0,
				messages_out: 0,
				rtt_ms: { client: 1.26 },
				draining: true,
				closing: false,
			};
			response.writeHead(200, { "content-type": "application/json" });
			response.end(JSON.stringify({ connections: [connection], total: 1, next_cursor: null }));
		});
		const { port } = await listen(server);
		const { out } = await runCli(["connections", "--admin", `127.0.0.1:${port}`]);
		expect(out).toContain("?[2Jgone?");
		for (const character of ["\u001b", "\u202e"]) expect(out).not.toContain(character);
		expect(out).toMatch(/ 1d01h .* 4\.8M {2}1\.3ms {2}draining\n$/);
	});
});

describe("clawgate endpoints", () => {
	test("lists them with state and load, and changes one", async () => {
		const { one, two, open, cli } = await chat();
		await open();
		const listed = await cli(["endpoints"]);
		expect(listed.out.split("\n")).toEqual([
			expect.stringMatching(/^UPSTREAM +ENDPOINT +STATE +WEIGHT +HEALTH +ACTIVE +PENDING$/),
			expect.stringMatching(new RegExp(`^chat +${one.id} +ready +1 +- +1 +0$`)),
			expect.stringMatching(new RegExp(`^chat +${two.id} +ready +1 +- +0 +0$`)),
			"",
		]);
		const changed = await cli(["endpoints", "chat", two.id, "--state", "maint", "--weight", "5"]);
		expect(changed.code).toBe(0);
		expect(changed.out).toContain("maint");
		expect(changed.out).toContain("configured: ready; configured weight: 1");
		await open();
		await open();
		expect(two.sockets).toHaveLength(0);
		const json = JSON.parse((await cli(["endpoints", "chat", two.id, "--json"])).out);
		expect(json.upstreams[0].endpoints).toMatchObject([{ id: two.id, state: "maint", weight: 5 }]);
		await cli(["endpoints", "chat", two.id, "--reset"]);
		expect(JSON.parse((await cli(["endpoints", "--json"])).out).upstreams[0].endpoints[1]).toMatchObject({
			state: "ready",
			weight: 1,
		});
	});

	test("says what is not there, and what makes no sense", async () => {
		const { one, cli } = await chat();
		const ask = async (...argv: string[]) => {
			const { code, err } = await cli(["endpoints", ...argv]);
			return [code, err.split("\n")[0]];
		};
		expect(await ask("chta")).toEqual([1, 'clawgate endpoints: there is no upstream "chta", did you mean "chat"?']);
		expect(await ask("chat", "x:1")).toEqual([
			1,
			expect.stringMatching(/^clawgate endpoints: there is no endpoint in chat "x:1"; there are 127\./),
		]);
		expect(await ask("chat", "x:1", "--state", "drain")).toEqual([
			1,
			expect.stringMatching(/^clawgate endpoints: id: there is no endpoint in chat "x:1"; there are 127\./),
		]);
		expect(await ask("chat", one.id, "--state", "down")).toEqual([
			2,
			"clawgate endpoints: --state takes ready, drain, maint",
		]);
		expect((await ask("--state", "drain"))[0]).toBe(2);
		expect((await ask("chat", one.id, "--weight", "many"))[0]).toBe(2);
		expect((await ask("chat", one.id, "--weight", "5000"))[0]).toBe(2);
		expect((await ask("chat", one.id, "--reset", "--weight", "1"))[0]).toBe(2);
	});
});

describe("clawgate drain", () => {
	test("of an endpoint empties it, waits for the end and shows the progress", async () => {
		const { one, open, cli } = await chat();
		const clients = await Promise.all(Array.from({ length: 10 }, () => open()));
		const { code, out, err } = await cli([
			...["drain", `endpoint=${one.id}`, "--spread", "600ms", "--close-code", "4001", "--reason", "moving", "--wait"],
		]);
		expect(code).toBe(0);
		expect(out).toBe(`drain 1 of endpoint ${one.id}: 5 connections over 0s\n`);
		expect(err).toMatch(/^\d of 5 closed\n(\d of 5 closed\n)*5 of 5 closed\n$/);
		await until(
			() => clients.filter(({ closed }) => closed?.code === 4001 && closed.reason === "moving").length === 5,
			{
				what: "five clients told",
			},
		);
		const { out: status } = await cli(["drain", "--status"]);
		expect(status).toMatch(new RegExp(`\n +1  endpoint ${one.id}  done +5 +0 `));
	});

	test("shows a bar on a terminal", async () => {
		const { open, cli } = await chat();
		await open();
		const { err } = await cli(["drain", "--all", "--spread", "0s", "--wait"], { terminal: true });
		expect(err).toMatch(/\r\[#{30}\] 1\/1 closed {2}\ds \n$/);
	});

	test("gives JSON, without waiting unless told", async () => {
		const { open, cli } = await chat();
		await open();
		const { code, out, err } = await cli(["drain", "route=chat", "--spread", "1h", "--json"]);
		expect([code, err]).toEqual([0, ""]);
		expect(JSON.parse(out)).toMatchObject({ id: 1, target: "route chat", total: 1, spread_ms: 3_600_000 });
		expect(JSON.parse((await cli(["drain", "--status", "--json"])).out).drains).toHaveLength(1);
	});

	test("says how far it was when the gateway is gone before the end", async () => {
		const { open, cli, gateway } = await chat();
		await open();
		const following = cli(["drain", "--all", "--spread", "1h", "--timeout", "2h", "--wait"]);
		await gateway.waitForLog("drain.start");
		await gateway.stop({ immediately: true });
		const { code, err } = await following;
		expect(code).toBe(1);
		expect(err).toMatch(
			/clawgate drain: the drain cannot be followed to its end: \d of 1 connections were closed when it answered last\ncannot reach/,
		);
	});

	test("does nothing when it is not said what is meant, or what is meant is not there", async () => {
		const { one, open, cli, gateway } = await chat();
		const client = await open();
		for (const argv of [
			[],
			["chat"],
			["route=chat", "--all"],
			["user=x"],
			["route="],
			["--status", "--all"],
			["--all", "--spread", "soon"],
		]) {
			expect((await cli(["drain", ...argv])).code, argv.join(" ")).toBe(2);
		}
		for (const kind of ["route", "upstream"]) {
			const { code, err } = await cli(["drain", `${kind}=chatt`]);
			expect([code, err]).toEqual([1, `clawgate drain: ${kind}: there is no ${kind} "chatt", did you mean "chat"?\n`]);
		}
		const slip = `${one.id.slice(0, -1)}x`;
		expect((await cli(["drain", `endpoint=${slip}`])).err).toBe(
			`clawgate drain: endpoint: there is no endpoint "${slip}", did you mean "${one.id}"?\n`,
		);
		expect((await cli(["drain", "--status"])).err).toBe("no drain since the gateway started\n");
		expect(client.closed).toBeUndefined();
		expect(gateway.handle.connectionCount()).toBe(1);
	});
});

describe("clawgate close", () => {
	test("closes by id, by filter and all, with the code and reason that are given", async () => {
		const { open, cli, gateway } = await chat();
		const [byId, a, b, last] = [await open(), await open("a"), await open("a"), await open("b")];
		const { connection_id } = await gateway.waitForLog("ws.open");
		expect((await cli(["close", String(connection_id), "--close-code", "4009", "--reason", "bye"])).out).toBe(
			"closed 1 connection\n",
		);
		expect(await byId.waitClosed()).toEqual({ code: 4009, reason: "bye" });
		expect((await cli(["close", "subprotocol=a"])).out).toBe("closed 2 connections\n");
		expect([(await a.waitClosed()).code, (await b.waitClosed()).code]).toEqual([1008, 1008]);
		expect(last.closed).toBeUndefined();
		expect(JSON.parse((await cli(["close", "--all", "--json"])).out)).toEqual({ closed: 1, already_closing: 0 });
		await last.waitClosed();
		expect((await cli(["close", "user=nobody"])).out).toBe("closed 0 connections\n");
		const gone = await cli(["close", String(connection_id)]);
		expect([gone.code, gone.err]).toEqual([1, "clawgate close: there is no open connection with this id\n"]);
	});

	test("says which name of the filter there is not, as connections does", async () => {
		const { cli } = await chat();
		const closed = await cli(["close", "route=chatt"]);
		expect([closed.code, closed.out, closed.err]).toEqual([
			1,
			"closed 0 connections\n",
			'clawgate close: there is no route "chatt", did you mean "chat"?\n',
		]);
		const listed = await cli(["connections", "upstream=caht", "user=x"]);
		expect([listed.code, listed.err]).toEqual([
			0,
			'0 connections\nclawgate connections: there is no upstream "caht", did you mean "chat"?\n',
		]);
		expect((await cli(["connections", "rout=chat"])).err).toMatch(/there is no filter "rout", did you mean "route"\?/);
		expect((await cli(["close", "--resaon", "x"])).err).toMatch(
			/there is no option "--resaon", did you mean "--reason"\?\n/,
		);
	});

	test("closes nothing when it is not said which", async () => {
		const { open, cli } = await chat();
		const client = await open();
		for (const argv of [
			[],
			["--all", "route=chat"],
			["some-id", "route=chat"],
			["rout=chat"],
			["--all", "--close-code", "1006"],
			["--all", "--close-code", "x"],
		]) {
			expect((await cli(["close", ...argv])).code, argv.join(" ")).toBe(2);
		}
		expect(client.closed).toBeUndefined();
	});
});

test("a full disk is said in a line, without a stack trace", async () => {
	const shell = { executable: "/bin/sh", env: { NODE: process.execPath } };
	const child = startNode(["-c", '"$NODE" dist/main.js schema > /dev/full'], shell);
	expect(await child.exit()).toEqual({ code: 1, signal: null });
	expect(child.stderr()).toBe("clawgate: cannot write its output: the disk is full\n");
});

describe("the admin port", () => {
	test("is found in the configuration, with its token; the environment and --token win", async () => {
		const backend = await startWsBackend();
		const folder = (await temporaryFiles({ "other.yaml": "" })).dir;
		const yaml = adminYaml({ chat: [backend.url] }).replace(
			'admin: { address: "127.0.0.1:0" }',
			`admin: { address: "unix:${join(folder, "admin.sock")}", token: "\${ADMIN_TOKEN:-from-the-file}" }`,
		);
		const files = await temporaryFiles({ "routes.yaml": yaml });
		await startTestGateway(yaml);
		const cli = (argv: string[], env: Record<string, string> = {}) =>
			runCli(["endpoints", ...argv], { cwd: files.dir, env });
		expect((await cli([])).code).toBe(0);
		expect((await cli(["-c", "routes.yaml"])).code).toBe(0);
		expect((await cli(["--admin", `unix:${join(folder, "admin.sock")}`, "--token", "from-the-file"])).code).toBe(0);
		expect((await cli([], { CLAWGATE_ADMIN_TOKEN: "from-the-file", ADMIN_TOKEN: "other" })).code).toBe(0);
		const refused = await cli(["--token", "wrong"]);
		expect(refused.code).toBe(1);
		expect(refused.err).toBe(
			`clawgate endpoints: the admin port at unix:${join(folder, "admin.sock")} does not take this token; set CLAWGATE_ADMIN_TOKEN, or give --token, to the admin.token of its configuration\n`,
		);
		const missing = await runCli(["endpoints", "--admin", `unix:${join(folder, "admin.sock")}`]);
		expect(missing.err).toContain("wants a token; set CLAWGATE_ADMIN_TOKEN");
	});

	test("that does not answer is said with what to do", async () => {
		const port = await closedPort();
		for (const command of ["connections", "endpoints"]) {
			const { code, out, err } = await runCli([command, "--admin", `http://127.0.0.1:${port}`]);
			expect([code, out]).toEqual([1, ""]);
			expect(err).toBe(
				`clawgate ${command}: cannot reach the gateway's admin port at http://127.0.0.1:${port}: nobody listens there\n` +
					"The address is from --admin. Is the gateway running? --admin URL names another address, -c FILE takes it from a configuration.\n",
			);
		}
		expect((await runCli(["endpoints", "--admin", "127.0.0.1", "--token", "x"])).err).toContain("http://127.0.0.1:80");
		const { code, err } = await runCli(["drain", "--status", "--admin", "unix:/nonexistent/admin.sock"]);
		expect(code).toBe(1);
		expect(err).toContain(
			"cannot reach the gateway's admin port at unix:/nonexistent/admin.sock: there is no such socket",
		);
	});

	test("that is something else is said too", async () => {
		const { port } = await listen(createServer((_, response) => response.writeHead(200).end("<html>")));
		const { code, err } = await runCli(["connections", "--admin", `http://127.0.0.1:${port}/`]);
		expect([code, err]).toEqual([
			1,
			`clawgate connections: http://127.0.0.1:${port}/ does not answer like a Clawgate admin port (status 200); is it that of admin.address?\n`,
		]);
	});

	test("tells when a worker did not answer, so that its part is not taken for nothing", async () => {
		const body = JSON.stringify({ connections: [], total: 0, next_cursor: null, missing_workers: [2] });
		const server = createServer((_, response) => response.setHeader("content-type", "application/json").end(body));
		const { port } = await listen(server);
		const { code, err } = await runCli(["connections", "--admin", `127.0.0.1:${port}`]);
		expect([code, err]).toEqual([
			0,
			"0 connections\nwarning: worker 2 did not answer, so its connections are missing here and stay as they are\n",
		]);
	});

	test("has to be an address, and a configuration has to have one", async () => {
		for (const admin of ["ftp://x", "http://", "http://user:secret@x", "x y"]) {
			const { code, err } = await runCli(["endpoints", "--admin", admin]);
			expect(code, admin).toBe(2);
			expect(err).not.toContain("secret");
		}
		const backend = await startWsBackend();
		const files = await temporaryFiles({
			"none.yaml": adminYaml({ chat: [backend.url] }).replace(/^admin:.*$/m, ""),
			"bad.yaml": "routes: 5",
		});
		const none = await runCli(["endpoints", "-c", "none.yaml"], { cwd: files.dir });
		expect([none.code, none.err]).toEqual([
			1,
			"clawgate endpoints: none.yaml has no admin section: its gateway has no admin port; --admin URL names that of another one\n",
		]);
		const bad = await runCli(["endpoints", "-c", "bad.yaml"], { cwd: files.dir });
		expect(bad.code).toBe(1);
		expect(bad.err).toMatch(/bad\.yaml has no admin section \(and \d errors: clawgate check -c bad\.yaml lists them\)/);
	});

	test("is taken from the admin section alone when the rest has mistakes, and they are mentioned", async () => {
		const backend = await startWsBackend();
		const { handle } = await startTestGateway(adminYaml({ chat: [backend.url] }));
		const admin = `admin: { address: "127.0.0.1:${handle.adminPort}", token: "\${ADMIN_TOKEN}" }`;
		const files = await temporaryFiles({
			"routes.yaml": `routes: 5\nlisteners: [{ address: "\${PORT}" }]\n${admin}\n`,
		});
		const { code, out, err } = await runCli(["endpoints"], { cwd: files.dir });
		expect([code, err]).toEqual([
			0,
			expect.stringMatching(
				/^warning: routes\.yaml has \d errors, only its admin section is used: clawgate check -c routes\.yaml\n$/,
			),
		]);
		expect(out).toContain(backend.id);
	});

	test("is never guessed beside a configuration that does not say it", async () => {
		const files = await temporaryFiles({
			"none.yaml": "routes: []",
			"wrong.yaml": 'routes: 5\nadmin: { address: "9191", tokn: x }',
			"broken.yaml": "admin: { address: [\nroutes:",
		});
		const ask = (argv: string[], cwd = files.dir) => runCli(["connections", ...argv], { cwd });
		expect((await ask(["-c", "wrong.yaml"])).err).toMatch(
			/^clawgate connections: wrong\.yaml does not say where the admin port is; --admin URL does\nwrong\.yaml:2:\d+: admin\.[\s\S]*wrong\.yaml:2:\d+: admin\./,
		);
		expect((await ask(["-c", "broken.yaml"])).err).toMatch(
			/does not say where[\s\S]*broken\.yaml:\d+:\d+: not valid YAML/,
		);
		expect((await ask(["-c", "gone.yaml"])).err).toMatch(/gone\.yaml:1:1: cannot read the configuration: no such file/);
		const { dir } = await temporaryFiles({ "routes.yaml": "routes: []" });
		expect((await ask([], dir)).err).toMatch(/^clawgate connections: routes\.yaml has no admin section /);
	});

	test("behind a path of another server is reached too", async () => {
		const { gateway } = await chat();
		const server = createServer(async (request, response) => {
			const { json } = await api(gateway.handle, String(request.url).replace("/clawgate/api/v1/", ""));
			response.end(JSON.stringify(json));
		});
		const { port } = await listen(server);
		expect((await runCli(["connections", "--admin", `http://127.0.0.1:${port}/clawgate/`])).err).toBe(
			"0 connections\n",
		);
	});
});
