import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { check } from "../../src/cli/check.ts";
import { schema } from "../../src/cli/schema.ts";
import { certificate, temporaryFiles } from "../harness/certs.ts";

interface Outcome {
	code: number;
	out: string[];
	err: string;
}

async function run(
	command: typeof check,
	argv: string[],
	cwd: string,
	env: Record<string, string> = {},
): Promise<Outcome> {
	const out: string[] = [];
	const err: string[] = [];
	const io = { stdout: (text: string) => out.push(text), stderr: (text: string) => err.push(text), env, cwd };
	const code = await command(argv, io);
	return { code, out: out.join("").split("\n").slice(0, -1), err: err.join("") };
}

const SMALLEST = `listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
routes: [{ match: { path_prefix: / }, upstream: chat }]
`;

const EIGHT_MISTAKES = `listeners:
  - adress: ":8080"
  - address: ":8443"
    tls: { certificates: [{ cert: missing.pem, key: a.key }] }
upstreams:
  chat:
    endpoints: ["ws://127.0.0.1:7001", "127.0.0.1:7002"]
    load_balancing: { policy: round_robbin }
defaults:
  timeouts: { idle: 60 }
routes:
  - match: { path_regex: '^/(a+)+$' }
    upstream: chatt
    drain: { close_code: 1006 }
`;

describe("clawgate check", () => {
	it("accepts the smallest file and counts what is in it", async () => {
		const { dir } = await temporaryFiles({ "routes.yaml": SMALLEST });
		expect(await run(check, [], dir)).toEqual({
			code: 0,
			out: [],
			err: "routes.yaml: ok, 1 listener, 1 upstream, 1 route\n",
		});
	});

	it("gives eight lines with places for eight mistakes, in the order of the file", async () => {
		const { key } = await certificate(["localhost"]);
		const { dir } = await temporaryFiles({ "bad.yaml": EIGHT_MISTAKES, "a.key": key });
		const { code, out, err } = await run(check, ["-c", "bad.yaml"], dir);
		expect(out.map((line) => line.split(": ").slice(0, 2).join(" "))).toEqual([
			"bad.yaml:2:5 listeners[0].adress",
			"bad.yaml:4:35 listeners[1].tls.certificates[0].cert",
			"bad.yaml:7:40 upstreams.chat.endpoints[1]",
			"bad.yaml:8:31 upstreams.chat.load_balancing.policy",
			"bad.yaml:10:21 defaults.timeouts.idle",
			"bad.yaml:12:26 routes[0].match.path_regex",
			"bad.yaml:13:15 routes[0].upstream",
			"bad.yaml:14:26 routes[0].drain.close_code",
		]);
		expect(err).toBe("bad.yaml: 8 problems\n");
		expect(code).toBe(1);
	});

	it("prints warnings and exits 0 when there is nothing else", async () => {
		const text = `${SMALLEST.trimEnd().slice(0, -1)}, { match: { path: /x }, upstream: chat }]\n`;
		const { dir } = await temporaryFiles({ "w.yaml": text });
		const { code, out, err } = await run(check, ["--config", "./w.yaml"], dir);
		expect(out).toHaveLength(1);
		expect(out[0]).toMatch(/^\.\/w\.yaml:3:\d+: routes\[1\]: warning: can never match/);
		expect(err).toBe("./w.yaml: ok, 1 listener, 1 upstream, 2 routes, 1 warning\n");
		expect(code).toBe(0);
	});

	it("reports a file that is not there as one problem", async () => {
		const { dir } = await temporaryFiles({});
		expect(await run(check, ["-c", "none.yaml"], dir)).toEqual({
			code: 1,
			out: ["none.yaml:1:1: cannot read the configuration: no such file"],
			err: "none.yaml: 1 problem\n",
		});
	});

	it("takes variables from the environment it is given", async () => {
		const { dir } = await temporaryFiles({ "routes.yaml": SMALLEST.replace('":8080"', `"\${ADDRESS}"`) });
		expect((await run(check, [], dir)).out[0]).toContain("variable ADDRESS is not set");
		expect((await run(check, [], dir, { ADDRESS: ":1" })).code).toBe(0);
	});

	it("finds certificates next to the file, wherever it was started", async () => {
		const { cert, key } = await certificate(["localhost"]);
		const text = SMALLEST.replace(" }]", ", tls: { certificates: [{ cert: a.pem, key: a.key }] } }]");
		const { dir } = await temporaryFiles({ "routes.yaml": text, "a.pem": cert, "a.key": key });
		expect((await run(check, ["-c", join(dir, "routes.yaml")], "/")).code).toBe(0);
		await writeFile(join(dir, "a.key"), "");
		expect((await run(check, ["-c", join(dir, "routes.yaml")], "/")).code).toBe(1);
	});

	it("says what it takes when the arguments are wrong", async () => {
		const { code, err } = await run(check, ["--nope"], "/");
		expect(code).toBe(2);
		expect(err).toContain("--nope");
	});
});

it("clawgate schema prints a JSON Schema", async () => {
	const { code, out } = await run(schema, [], "/");
	expect(code).toBe(0);
	expect(JSON.parse(out.join("\n"))).toMatchObject({ type: "object", properties: { routes: { type: "array" } } });
});
