import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { commands } from "../../../src/cli/index.ts";
import { temporaryFiles } from "../../harness/certs.ts";
import { runCli } from "../../integration/cli.fixtures.ts";

const NAMES = Object.keys(commands);
const SHELLS = ["bash", "zsh", "fish"];

describe("each command", () => {
	it.each(NAMES)(
		"%s explains itself with --help, and the options there are those that shells complete",
		async (name) => {
			const { code, out, err } = await runCli([name, "--help"]);
			expect([code, err]).toEqual([0, ""]);
			expect(out).toMatch(new RegExp(`^Usage: clawgate ${name}\\b`));
			const explained = new Set([...out.matchAll(/^ {2}(?:-\w, )?(--[a-z0-9-]+)/gm)].map((match) => match[1]));
			explained.delete("--help");
			const completed = new Set(commands[name]?.options);
			completed.delete("--help");
			expect([...completed].toSorted()).toEqual([...explained].toSorted());
		},
	);

	it.each(NAMES)("%s refuses an option that it does not have with exit 2", async (name) => {
		const { code, err, out } = await runCli([name, "--no-such-option"]);
		expect([code, out]).toEqual([2, ""]);
		expect(err).toContain(`clawgate ${name}: `);
	});
});

describe("clawgate", () => {
	it("lists every command", async () => {
		const { code, out } = await runCli(["--help"]);
		expect(code).toBe(0);
		for (const name of NAMES) expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
		expect((await runCli([])).code).toBe(2);
		const slip = await runCli(["conections"]);
		expect([slip.code, slip.err]).toEqual([
			2,
			'clawgate: there is no command "conections", did you mean "connections"?\nclawgate help lists them\n',
		]);
	});

	it("run says at the end that it did not start, and why", async () => {
		const { dir } = await temporaryFiles({ "bad.yaml": "routes: 5\nlisteners: []" });
		const { code, err } = await runCli(["run", "-c", "bad.yaml"], { cwd: dir });
		expect(code).toBe(1);
		expect(err).toMatch(/^bad\.yaml:1:\d+: [\s\S]*\nclawgate run: not started, bad\.yaml has \d errors\n$/);
	});

	it("takes a file without -c for what it is, and an option for the one that is close", async () => {
		expect((await runCli(["check", "my.yaml"])).err).toBe(
			'clawgate check: it takes no argument "my.yaml"; -c FILE names the configuration\n',
		);
		expect((await runCli(["run", "--confg", "x"])).err).toBe(
			'clawgate run: there is no option "--confg", did you mean "--config"?\n',
		);
		expect((await runCli(["version", "x"])).err).toBe('clawgate version: it takes no argument "x"\n');
	});

	it("help COMMAND tells about one", async () => {
		expect(await runCli(["help", "drain"])).toEqual(await runCli(["drain", "--help"]));
		expect((await runCli(["help"])).out).toBe((await runCli(["--help"])).out);
		expect((await runCli(["help", "drian"])).err).toContain('did you mean "drain"?');
	});

	it("--version tells versions and the platform", async () => {
		const { version } = JSON.parse(await readFile(new URL("../../../package.json", import.meta.url), "utf8"));
		const { code, out } = await runCli(["--version"]);
		expect([code, out]).toEqual([
			0,
			expect.stringMatching(`^clawgate ${version}, Node\\.js ${process.version}, ${process.platform} `),
		]);
		expect((await runCli(["version"])).out).toBe(out);
		expect(JSON.parse((await runCli(["version", "--json"])).out)).toMatchObject({ version, node: process.version });
	});
});

describe("clawgate completion", () => {
	it.each(SHELLS)("%s gets a script with every command, option and word", async (shell) => {
		const { code, out } = await runCli(["completion", shell]);
		expect(code).toBe(0);
		for (const [name, { options, words = [] }] of Object.entries(commands)) {
			expect(out).toContain(name);
			for (const word of [...options.map((option) => option.slice(2)), ...words]) expect(out).toContain(word);
		}
	});

	it("takes one shell that it knows", async () => {
		for (const argv of [[], ["tcsh"], ["bash", "zsh"], ["__proto__"]]) {
			expect((await runCli(["completion", ...argv])).code, argv.join(" ")).toBe(2);
		}
	});

	const bash = spawnSync("bash", ["--version"]).status === 0;

	it.runIf(bash)("completes commands, options and filters in bash", async () => {
		const { out } = await runCli(["completion", "bash"]);
		const complete = (...words: string[]) => {
			const line = words.map((word) => `'${word}'`).join(" ");
			const script = `${out}\ncompopt() { :; }\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _clawgate; printf '%s\\n' "\${COMPREPLY[@]}"`;
			const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8" });
			expect(stderr).toBe("");
			return stdout.trim().split("\n").toSorted();
		};
		expect(complete("clawgate", "con")).toEqual(["connections"]);
		expect(complete("clawgate", "connections", "--li")).toEqual(["--limit"]);
		expect(complete("clawgate", "close", "us")).toEqual(["user="]);
		expect(complete("clawgate", "completion", "")).toContain("fish");
	});
});
