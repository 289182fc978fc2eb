#!/usr/bin/env node
/** The command line's entry: finds the command, runs it, and ends with its exit code. */
import { runCommand } from "./cli/index.ts";

// `clawgate connections | head`: the reader has enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	if (error.code !== "EPIPE") throw error;
});

process.exitCode = await runCommand(process.argv.slice(2), {
	stdout: (text) => process.stdout.write(text),
	stderr: (text) => process.stderr.write(text),
	env: process.env,
	cwd: process.cwd(),
	terminal: { stdout: process.stdout.isTTY === true, stderr: process.stderr.isTTY === true },
});
