/**
 * Takes back the beginning of a line that a full disk cut off. Processes that write to the same file would go on right
 * behind it, and make two broken lines of two whole ones.
 */
import { fstatSync, ftruncateSync, readFileSync, writeSync } from "node:fs";

/** Asynchronous in none of its steps: other processes can write in between only what finds room on the full disk. */
export class TornLine {
	readonly #fd: number;
	readonly #appends: boolean;

	/** @param fd of a regular file */
	constructor(fd: number) {
		this.#fd = fd;
		this.#appends = opensToAppend(fd);
	}

	/**
	 * Removes the last `length` bytes that were written.
	 * @returns whether that was possible; what was cut has to be completed otherwise
	 */
	takeBack(length: number): boolean {
		try {
			const start = fstatSync(this.#fd).size - length;
			if (start < 0) return false;
			// Behind a descriptor with a position of its own a shorter file would get a hole: empty lines take the place there.
			if (this.#appends) ftruncateSync(this.#fd, start);
			else if (writeSync(this.#fd, Buffer.alloc(length, "\n"), 0, length, start) < length) return false;
			return true;
		} catch {
			// Whatever forbids it (a file that can only be appended to): the line is completed as soon as there is room.
			return false;
		}
	}
}

/** Whether a regular file is behind the descriptor. */
export function isFile(fd: number): boolean {
	try {
		return fstatSync(fd).isFile();
	} catch {
		return false;
	}
}

/** Linux tells it; elsewhere it is assumed, as a log is opened. */
function opensToAppend(fd: number): boolean {
	try {
		const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
		return flags === undefined || (Number.parseInt(flags, 8) & O_APPEND) !== 0;
	} catch {
		return true;
	}
}

const O_APPEND = 0o2000;
