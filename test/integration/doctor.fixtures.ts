/** The doctor as an operator runs it, and the proxies that it is sent to. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename } from "node:path";
import { expect, onTestFinished } from "vitest";
import { doctor } from "../../src/cli/doctor.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { accepts } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";

export interface JsonStep {
	id: string;
	status: "ok" | "warning" | "problem";
	seen: string;
	ms: number;
	advice: string[];
	causes: { cause: string; severity: string; wrong: string; advice: string[] }[];
	detail?: string[];
}

export interface Diagnosis {
	code: number;
	healthy: boolean;
	url: string;
	steps: JsonStep[];
	/** Ids of the problems, in the order in which they were found. */
	problems: string[];
	warnings: string[];
	/** All of it, as printed. */
	text: string;
	step(id: string): JsonStep;
}

/** Runs the command in this process. */
export async function run(args: readonly string[], cwd = "/"): Promise<{ code: number; out: string; err: string }> {
	let out = "";
	let err = "";
	const io = {
		stdout: (text: string) => {
			out += text;
		},
		stderr: (text: string) => {
			err += text;
		},
		env: {},
		cwd,
	};
	const code = await within(doctor([...args], io), { timeout: 15_000, what: "the doctor to end" });
	return { code, out, err };
}

/** Runs `doctor --json`; the time for a step is short, since most tests wait for it in vain. */
export async function diagnose(url: string, args: readonly string[] = []): Promise<Diagnosis> {
	const timeout = args.includes("--timeout") ? [] : ["--timeout", "3s"];
	const { code, out, err } = await run(["--json", ...timeout, ...args, url]);
	expect(err).toBe("");
	const { healthy, url: shown, steps } = JSON.parse(out) as { healthy: boolean; url: string; steps: JsonStep[] };
	const ids = (severity: string) =>
		steps.flatMap(({ causes }) => causes.filter((each) => each.severity === severity).map(({ cause }) => cause));
	const step = (id: string): JsonStep => {
		const found = steps.find((each) => each.id === id);
		if (!found) throw new Error(`no step ${id}; there are ${steps.map((each) => each.id).join(", ")}`);
		return found;
	};
	return { code, healthy, url: shown, steps, problems: ids("problem"), warnings: ids("warning"), text: out, step };
}

/** Runs the doctor and expects exactly these problems, all of them in the last step that was taken. */
export async function expectProblem(
	url: string,
	problem: string | readonly string[],
	args: readonly string[] = [],
): Promise<Diagnosis> {
	const diagnosis = await diagnose(url, args);
	expect(diagnosis.problems, diagnosis.text).toEqual(typeof problem === "string" ? [problem] : problem);
	expect(diagnosis).toMatchObject({ code: 1, healthy: false });
	const last = diagnosis.steps.at(-1) as JsonStep;
	expect(last.status).toBe("problem");
	expect(last.advice.length).toBeGreaterThan(0);
	for (const { status } of diagnosis.steps.slice(0, -1)) expect(status).not.toBe("problem");
	return diagnosis;
}

/** Runs the doctor and expects nothing to complain about. */
export async function expectHealthy(url: string, args: readonly string[] = []): Promise<Diagnosis> {
	const diagnosis = await diagnose(url, args);
	expect(diagnosis.problems, diagnosis.text).toEqual([]);
	expect(diagnosis.warnings, diagnosis.text).toEqual([]);
	expect(diagnosis).toMatchObject({ code: 0, healthy: true });
	expect(diagnosis.steps.at(-1)?.id).toBe("close");
	return diagnosis;
}

export const NGINX = "/usr/sbin/nginx";
export const HAPROXY = "/usr/sbin/haproxy";

/** Starts a real nginx whose only server has these directives; returns its port. */
export async function startNginx(server: string, http = ""): Promise<number> {
	const port = await freePort();
	const { dir } = await temporaryFiles({
		"nginx.conf": `
			daemon off; master_process off; pid nginx.pid; error_log stderr;
			events {}
			http {
				access_log off;
				client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
				${http}
				server { listen 127.0.0.1:${port}; ${server} }
			}
		`,
	});
	await mkdir(`${dir}/t`);
	await start(NGINX, ["-p", dir, "-c", `${dir}/nginx.conf`, "-e", "stderr"], port);
	return port;
}

/** Starts a real HAProxy with one frontend and this backend section; returns its port. */
export async function startHaproxy(backend: string): Promise<number> {
	const port = await freePort();
	const files = await temporaryFiles({
		"haproxy.cfg": `
defaults
	mode http
	retries 0
	timeout connect 1s
	timeout client 30s
	timeout server 1s
frontend public
	bind 127.0.0.1:${port}
	default_backend app
backend app
	${backend}
`,
	});
	await start(HAPROXY, ["-db", "-f", files["haproxy.cfg"]], port);
	return port;
}

async function start(program: string, args: readonly string[], port: number): Promise<void> {
	if (!existsSync(program)) throw new Error(`${program} is missing; install the package ${basename(program)}`);
	const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
	let said = "";
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		said += text;
	});
	const exited = once(child, "exit");
	onTestFinished(async () => {
		if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
		await exited;
	});
	await until(
		async () => {
			if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
			return accepts(port);
		},
		{ timeout: 10_000, what: `${program} to listen` },
	);
}
