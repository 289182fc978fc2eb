// Loaded before the gateway by tests that watch its event loop: on SIGUSR2 it says for how long (ms) the loop did nothing else
// at most, and begins anew. Counted is the time for which the thread had a processor, so that a busy machine does not count.
import { openSync, readSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
	const file = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
	const bytes = Buffer.alloc(64);
	const ran = () => Number(bytes.toString("latin1", 0, readSync(file, bytes, 0, 64, 0)).split(" ")[0]) / 1e6;
	let last = ran();
	let longest = 0;
	setInterval(() => {
		const now = ran();
		longest = Math.max(longest, now - last);
		last = now;
	}, 1).unref();
	process.on("SIGUSR2", () => {
		process.stdout.write(`${JSON.stringify({ event: "test.stall", pid: process.pid, stall: Math.round(longest) })}\n`);
		longest = 0;
		last = ran();
	});
}
