/** Prometheus' own tool. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../harness/child.ts";

const FOLDER = join(ROOT, "deploy/prometheus");

/** What promtool says, and its exit code. */
export function promtool(args: readonly string[], options: { cwd?: string; input?: string } = {}) {
	return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
		const child = spawn("promtool", args, { cwd: options.cwd ?? FOLDER });
		let output = "";
		for (const stream of [child.stdout, child.stderr]) {
			stream.setEncoding("utf8").on("data", (text: string) => {
				output += text;
			});
		}
		child.on("error", (error: NodeJS.ErrnoException) => {
			const missing = "promtool is missing: install the Debian package prometheus (apt-get install prometheus)";
			reject(error.code === "ENOENT" ? new Error(missing) : error);
		});
		child.on("close", (code) => resolve({ code, output }));
		child.stdin.on("error", () => undefined);
		child.stdin.end(options.input ?? "");
	});
}
