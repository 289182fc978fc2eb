/** What a reload does with files that are only half there, that drain many, or that cannot be read. */
import { execFileSync } from "node:child_process";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw, type RawClient } from "../harness/raw-client.ts";
import { type ReloadableGateway, startReloadable } from "../harness/reloadable.ts";
import { runCli } from "./cli.fixtures.ts";

async function started(prepare?: (folder: string) => void) {
	const backend = await startRawBackend(echoingFrames());
	const yaml = (...routes: string[]): string =>
		dedent(`
			log: { level: debug }
			listeners: [{ address: "127.0.0.1:0" }]
			admin: { address: "127.0.0.1:0" }
			upstreams: { chat: { endpoints: ["${backend.url}"] } }
			defaults: { drain: { timeout: 2s, spread: 0s } }
			routes:
		`) + routes.map((name) => `  - { name: ${name}, match: { path_prefix: /${name} }, upstream: chat }\n`).join("");
	const gateway = await startReloadable(yaml("one", "two"), prepare);
	return { gateway, yaml, admin: `http://127.0.0.1:${gateway.handle.adminPort}` };
}

async function echoes(client: RawClient, text: string): Promise<void> {
	client.sendFrame(OPCODE.text, text);
	expect((await client.readFrame()).text).toBe(text);
}

function count({ lines }: ReloadableGateway, name: string): number {
	return lines.records.filter(({ event }) => event === name).length;
}

/** The configuration with one more file in it. */
function withKeys(yaml: string, route: string): string {
	const line = `path_prefix: /${route} }, upstream: chat`;
	return yaml.replace(line, `${line}, auth: { api_key: { keys_file: keys.txt } }`);
}

describe("a configuration file", () => {
	test("that is written in two halves, the first of them valid, drains nobody", async () => {
		const { gateway, yaml } = await started();
		const client = await openRaw(gateway.port, "/two");
		// The look at what was opened first.
		await gateway.lines.waitFor("config.unchanged");
		gateway.write(yaml("one"));
		await wait(300);
		gateway.write(yaml("one", "two"));
		await until(() => count(gateway, "config.unchanged") === 2, { what: "the whole file to be read" });
		expect(count(gateway, "config.reload")).toBe(0);
		await echoes(client, "untouched");
	});

	test("that drains more than half of all connections is taken when it is read a second time", async () => {
		const { gateway, yaml } = await started();
		const [one, two] = [await openRaw(gateway.port, "/one"), await openRaw(gateway.port, "/two")];
		const three = await openRaw(gateway.port, "/two");
		gateway.write(yaml("one"));
		const held = await gateway.lines.waitFor("config.held");
		expect(held).toMatchObject({ level: "warn", trigger: "file", connections: 3, drained: 2 });
		expect(held.message).toContain("clawgate reload --force");
		await echoes(two, "not yet");
		// Another one is looked at twice as well.
		gateway.write(yaml("three"));
		await until(() => count(gateway, "config.held") === 2, { what: "the other file to be held" });
		gateway.write(yaml("one"));
		await until(() => count(gateway, "config.held") === 3, { what: "the first file to be held again" });
		expect(await gateway.handle.reload("signal")).toMatchObject({ result: "success" });
		expect(await two.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
		expect(await three.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
		await echoes(one, "stays");
	});

	test("that is held is taken by itself after a while", async () => {
		const { gateway, yaml } = await started();
		const client = await openRaw(gateway.port, "/two");
		gateway.write(yaml("one"));
		await gateway.lines.waitFor("config.held");
		await gateway.lines.waitFor("config.reload", 10_000);
		expect(await client.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
	});

	test("that is held is taken no sooner because its save is noticed a second time", async () => {
		const { gateway, yaml } = await started((folder) => writeFileSync(join(folder, "keys.txt"), ""));
		await gateway.change(withKeys(yaml("one", "two"), "one"));
		const client = await openRaw(gateway.port, "/two");
		// By the watch: a second time, since the file names other files than before.
		gateway.write(yaml("one"));
		await gateway.lines.waitFor("config.held");
		await wait(1_500);
		expect([count(gateway, "config.held"), count(gateway, "config.reload")]).toEqual([1, 1]);
		// By a command, at once, and then by the watch.
		gateway.write(yaml("three"));
		expect(await gateway.handle.reload("api")).toMatchObject({ result: "rejected" });
		await wait(1_500);
		expect([count(gateway, "config.held"), count(gateway, "config.reload")]).toEqual([2, 1]);
		await echoes(client, "not yet");
	});

	test("that breaks off in the middle is rejected with one line", async () => {
		const { gateway, yaml } = await started((folder) => writeFileSync(join(folder, "keys.txt"), ""));
		const whole = withKeys(yaml("one", "two"), "one");
		await gateway.change(whole);
		gateway.write(whole.slice(0, whole.lastIndexOf("path_prefix")));
		await gateway.lines.waitFor("config.rejected");
		await wait(1_500);
		expect(count(gateway, "config.rejected")).toBe(1);
	});

	test("that drains half of them or fewer is taken at once", async () => {
		const { gateway, yaml } = await started();
		const [one] = [await openRaw(gateway.port, "/one"), await openRaw(gateway.port, "/two")];
		gateway.write(yaml("one"));
		expect(await gateway.lines.waitFor("config.reload")).toMatchObject({
			trigger: "file",
			connections: 2,
			drained: 1,
			routes_removed: ["two"],
		});
		await echoes(one, "stays");
	});

	test("is taken at once by clawgate reload --force; without it the command says why not", async () => {
		const { gateway, yaml, admin } = await started();
		const client = await openRaw(gateway.port, "/two");
		gateway.write(yaml("one"));
		const refused = await runCli(["reload", "--admin", admin]);
		expect(refused).toMatchObject({ code: 1, out: "" });
		expect(refused.err).toContain("it would drain 1 of 1 open connections");
		await echoes(client, "not yet");
		gateway.write(yaml("one", "three"));
		expect(await runCli(["reload", "--force", "--admin", admin])).toEqual({
			code: 0,
			out: "the configuration was taken\n",
			err: "",
		});
		expect(await client.readFrameOf(OPCODE.close)).toMatchObject({ closeCode: 1001 });
		expect((await runCli(["reload", "--admin", admin])).out).toMatch(/^nothing has changed/);
	});

	test("with mistakes: clawgate reload shows each of them, and changes nothing", async () => {
		const { gateway, yaml, admin } = await started();
		gateway.write(`${yaml("one").replaceAll("upstream: chat", "upstream: chta")}unknown: 1\n`);
		const { code, out, err } = await runCli(["reload", "--admin", admin]);
		expect([code, out]).toEqual([1, ""]);
		expect(err).toMatch(/routes\.yaml:\d+:\d+: routes\[0\]\.upstream: .*"chat"/);
		expect(err).toMatch(/routes\.yaml:\d+:\d+: unknown: /);
		expect(JSON.parse((await runCli(["reload", "--json", "--admin", admin])).out)).toMatchObject({
			result: "rejected",
		});
		await echoes(await openRaw(gateway.port, "/two"), "the old configuration");
	});
});

describe("a pipe in place of", () => {
	test("the configuration file is refused, and holds nobody up", async () => {
		const { gateway } = await started();
		const file = join(gateway.folder, "routes.yaml");
		rmSync(file);
		execFileSync("mkfifo", [file]);
		const rejected = await gateway.lines.waitFor("config.rejected", 10_000);
		expect(rejected.message).toContain("it is a pipe");
		await echoes(await openRaw(gateway.port, "/one"), "serves");
	});

	test("a file that the configuration names is refused with its place", async () => {
		const { gateway, yaml } = await started((folder) => writeFileSync(join(folder, "keys.txt"), ""));
		await gateway.change(withKeys(yaml("one"), "one"));
		expect(count(gateway, "config.reload")).toBe(1);
		execFileSync("mkfifo", [join(gateway.folder, "pipe")]);
		renameSync(join(gateway.folder, "pipe"), join(gateway.folder, "keys.txt"));
		const rejected = await gateway.lines.waitFor("config.rejected", 10_000);
		expect(rejected.message).toMatch(/routes\.yaml:\d+:\d+: routes\[0\]\.auth\.api_key\.keys_file: .*it is a pipe/);
	});
});
