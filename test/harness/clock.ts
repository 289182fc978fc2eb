/** How time passes for a test, beside whatever else the machine does. */

/** Milliseconds of processor time that `work` takes in this process, whatever else runs beside it. */
export function processorTime(work: () => void): number {
	const before = process.cpuUsage();
	work();
	const { user, system } = process.cpuUsage(before);
	return (user + system) / 1_000;
}

/** Seconds by which this process ran late, summed up, while `work` was under way: 0 on an idle machine. */
export async function lateness(work: () => Promise<unknown>): Promise<number> {
	const STEP_MS = 20;
	let late = 0;
	let last = performance.now();
	const timer = setInterval(() => {
		const now = performance.now();
		late += Math.max(0, now - last - STEP_MS - 2);
		last = now;
	}, STEP_MS);
	try {
		await work();
	} finally {
		clearInterval(timer);
	}
	return late / 1_000;
}
