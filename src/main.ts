#!/usr/bin/env node
/** The command line's entry: finds the command, runs it, and ends with its exit code. */
import { RunSignals } from "./cli/signals.ts";

/** How long the process waits at its end for what nobody closed, ms. */
const LEFT_OVER_MS = 500;

// Only now what takes a while to load: a signal must not end the gateway meanwhile.
const signals = process.argv[2] === "run" ? new RunSignals() : undefined;
const { runCommand } = await import("./cli/index.ts");

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	// `clawgate connections | head`: the reader has enough.
	if (error.code === "EPIPE") return;
	process.stderr.write(
		`clawgate: cannot write its output: ${error.code === "ENOSPC" ? "the disk is full" : error.message}\n`,
	);
	process.exit(1);
});
// Without it, a stderr that cannot be written would end the gateway; there is nowhere left to say so.
process.stderr.on("error", () => {});

process.exitCode = await runCommand(process.argv.slice(2), {
	stdout: (text) => process.stdout.write(text),
	stderr: (text) => process.stderr.write(text),
	env: process.env,
	cwd: process.cwd(),
	signals,
	terminal: { stdout: process.stdout.isTTY === true, stderr: process.stderr.isTTY === true },
});
// The end of the gateway is the end of its process, even if something that was forgotten is still open.
if (signals) setTimeout(() => process.exit(), LEFT_OVER_MS).unref();
