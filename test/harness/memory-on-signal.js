// Loaded before the gateway by tests that watch its memory: on SIGUSR2 it collects garbage and says what is in use.
process.on("SIGUSR2", () => {
	globalThis.gc();
	const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
	process.stdout.write(`${JSON.stringify({ event: "test.memory", pid: process.pid, heapUsed, rss, arrayBuffers })}\n`);
});
