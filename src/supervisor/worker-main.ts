/** The entry of a worker's process. */

// They reach the whole process group (Ctrl+C, an init system); what to do then is the supervisor's to say.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

// `clawgate run | head`: the reader has enough. The supervisor ends when that is what it should do.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	if (error.code !== "EPIPE") throw error;
});

if (!process.connected) {
	process.stderr.write("clawgate: this is a worker's entry; the processes are started by `clawgate run`\n");
	process.exit(2);
}

// Only now: what is imported takes a while, and a signal must not end the process meanwhile.
const { runWorker } = await import("./worker.ts");
runWorker();
