/**
 * The process's limit of open files, and what of it is kept back from connections: the admin port, the log and reloads
 * need descriptors too. A system gives out the lowest free descriptor, so the number of a new one tells how many are in
 * use, and nothing has to be counted. Where the limit is not known (no Linux) nothing is kept back.
 */
import { closeSync, openSync, readSync } from "node:fs";

const LIMITS_FILE = "/proc/self/limits";
/** The limit can be changed from outside; this old it is read again, ms. */
const FRESH_MS = 1_000;
/** What is kept back: an eighth of the limit, within these. */
const LEAST_KEPT = 16;
const MOST_KEPT = 256;

let limit = Number.POSITIVE_INFINITY;
let readAt = Number.NEGATIVE_INFINITY;

/** How many files the process may have open; Infinity where that is not known. */
export function descriptorLimit(): number {
	return limit;
}

/** Whether a client's connection with this descriptor has to be refused. */
export function reservedFromClients(fd: number | undefined): boolean {
	return fd !== undefined && fd >= current() - kept();
}

/** Whether a connection to a backend has to be given up: half of what is kept back is for those under way. */
export function reservedFromBackends(fd: number): boolean {
	return fd >= current() - kept() / 2;
}

/** Whether another client's connection has a place now. */
export function hasDescriptors(): boolean {
	const fd = readLimit();
	return fd !== undefined && !reservedFromClients(fd);
}

function kept(): number {
	return Math.min(MOST_KEPT, Math.max(LEAST_KEPT, limit / 8));
}

function current(): number {
	if (performance.now() - readAt > FRESH_MS) readLimit();
	return limit;
}

/** Reads the limit. Returns the lowest descriptor that is free now; undefined when there is none. */
function readLimit(): number | undefined {
	readAt = performance.now();
	let fd: number;
	try {
		fd = openSync(LIMITS_FILE, "r");
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		return code === "EMFILE" || code === "ENFILE" ? undefined : 0;
	}
	try {
		const text = Buffer.alloc(4096);
		const length = readSync(fd, text);
		const soft = /^Max open files\s+(\d+)/m.exec(text.toString("latin1", 0, length))?.[1];
		limit = soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
	} finally {
		closeSync(fd);
	}
	return fd;
}
