// What processes use, read from /proc (Linux).
import { readdirSync, readFileSync } from "node:fs";

/** CPU time so far of all threads of these processes, user and system, in microseconds. */
export function cpu(pids) {
	let microseconds = 0;
	for (const pid of pids) microseconds += threadsCpu(pid) ?? tickedCpu(pid);
	return microseconds;
}

/** The scheduler's own count, in nanoseconds for each thread; a thread that ended is no longer in it. Undefined where the kernel keeps none. */
function threadsCpu(pid) {
	try {
		const threads = readdirSync(`/proc/${pid}/task`);
		const times = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
		return times.reduce((sum, time) => sum + time, 0) / 1_000;
	} catch {
		return undefined;
	}
}

const TICK_US = 10_000;

function tickedCpu(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
	return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Proportional set size of these processes in KiB: what they share counts once. */
export function memory(pids) {
	let kib = 0;
	for (const pid of pids) kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]);
	return kib;
}

/** Open file descriptors of one process. */
export function descriptors(pid) {
	return readdirSync(`/proc/${pid}/fd`).length;
}

/** A process and everything it started, the process first. */
export function tree(root) {
	const children = new Map();
	for (const entry of readdirSync("/proc")) {
		if (!/^\d+$/.test(entry)) continue;
		try {
			const parent = Number(readFileSync(`/proc/${entry}/stat`, "utf8").split(") ")[1].split(" ")[1]);
			children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
		} catch {
			// It ended while we looked.
		}
	}
	const found = [root];
	for (let at = 0; at < found.length; at++) found.push(...(children.get(found[at]) ?? []));
	return found;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
