/** Writes lines to a file descriptor: in batches, in order, without waiting for a slow reader, none lost at the exit. */
import { fstatSync, writeSync } from "node:fs";

/** Lines that wait for a reader that does not read, in characters; more are dropped and counted. */
const MAX_WAITING = 8 * 1024 * 1024;
/** A burst within one turn of the event loop is written in pieces of this many characters. */
const BATCH = 64 * 1024;
/** Lines that follow others sooner than this go out together: under load a write for each turn of the loop is dear. */
const GATHER_MS = 5;
/** PIPE_BUF of Linux: a pipe takes a write of so many bytes whole or not at all. */
export const ATOMIC_BYTES = 4096;
/** So many written lines are let go of while others still wait. */
const MANY_LINES = 1024;
/** Until another try after the descriptor took nothing. */
const RETRY_MS = 20;
/** What the exit of the process may wait for a reader that does not read. */
const EXIT_WAIT_MS = 500;

export interface LineWriterOptions {
	/** Non-blocking where the reader may be slow: see {@link nonBlockingStdout}. */
	readonly fd: number;
	readonly maxWaiting?: number;
	/**
	 * Most bytes of a write that has several lines. With {@link ATOMIC_BYTES} on a pipe, lines of several processes do
	 * not get into each other.
	 */
	readonly maxWrite?: number;
	/** The descriptor fails; called once for each outage. Default: a line on stderr. */
	readonly onError?: (message: string) => void;
	/** The descriptor works again after lines were dropped. */
	readonly onDropped?: (lines: number) => void;
}

/**
 * Lines of one turn of the event loop, or of a few milliseconds under load, become one write. Not in the thread pool: a write that hangs there (a reader that
 * stopped) cannot be taken back and keeps the process from exiting. EPIPE ends the log for good, since nobody reads it
 * any more; after any other failure, a full disk for one, the same bytes are tried again.
 */
export class LineWriter {
	readonly #fd: number;
	readonly #maxWaiting: number;
	readonly #maxWrite: number;
	readonly #onError: (message: string) => void;
	readonly #onDropped: (lines: number) => void;
	#lines: string[] = [];
	/** Those before it are written. */
	#firstLine = 0;
	/** Characters in `#lines`. */
	#waiting = 0;
	/** Characters taken since the last try to write. */
	#untried = 0;
	#dropped = 0;
	/** Taken from `#lines`, not yet written. */
	#chunk: Buffer | undefined;
	#scheduled = false;
	#retrying = false;
	#failing = false;
	#ended = false;
	#flushed: (() => void)[] = [];
	/** `performance.now()` of the last write. */
	#sentAt = Number.NEGATIVE_INFINITY;
	readonly #atExit = (): void => this.#writeRest();
	readonly #sendScheduled = (): void => this.#send();

	constructor(options: LineWriterOptions) {
		this.#fd = options.fd;
		this.#maxWaiting = options.maxWaiting ?? MAX_WAITING;
		this.#maxWrite = options.maxWrite ?? Number.POSITIVE_INFINITY;
		this.#onError = options.onError ?? reportOnStderr;
		this.#onDropped = options.onDropped ?? (() => {});
		process.on("exit", this.#atExit);
	}

	/** Takes one line with its line break. Never throws. */
	write(line: string): void {
		if (this.#ended) return;
		if (this.#waiting + line.length > this.#maxWaiting) {
			this.#dropped++;
			return;
		}
		this.#lines.push(line);
		this.#waiting += line.length;
		this.#untried += line.length;
		if (this.#untried >= BATCH) this.#send();
		else if (!this.#scheduled && !this.#retrying) {
			this.#scheduled = true;
			if (performance.now() - this.#sentAt > GATHER_MS) setImmediate(this.#sendScheduled);
			else setTimeout(this.#sendScheduled, GATHER_MS);
		}
	}

	/** Writes now. Resolves when all is written, or after `timeout` milliseconds when nobody takes it. */
	flush(timeout = 2000): Promise<void> {
		if (this.#writeWaiting()) return Promise.resolve();
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, timeout);
			this.#flushed.push(() => {
				clearTimeout(timer);
				resolve();
			});
			this.#retryLater();
		});
	}

	/** Flushes, then lets go of the process and the descriptor: lines that come later are dropped. */
	async close(timeout?: number): Promise<void> {
		await this.flush(timeout);
		process.off("exit", this.#atExit);
		this.#end();
	}

	#send(): void {
		this.#scheduled = false;
		this.#untried = 0;
		this.#sentAt = performance.now();
		if (!this.#writeWaiting()) {
			this.#retryLater();
			return;
		}
		for (const resolve of this.#flushed.splice(0)) resolve();
	}

	#retryLater(): void {
		if (this.#retrying) return;
		this.#retrying = true;
		// Unreferenced: a reader that stopped does not keep a finished process alive; the exit tries once more.
		setTimeout(() => {
			this.#retrying = false;
			this.#send();
		}, RETRY_MS).unref();
	}

	/** Writes what waits; false when some of it has to be tried again. */
	#writeWaiting(): boolean {
		for (let chunk = this.#nextChunk(); chunk; chunk = this.#nextChunk()) {
			try {
				const written = writeSync(this.#fd, chunk);
				this.#chunk = written < chunk.length ? chunk.subarray(written) : undefined;
				this.#failing = false;
			} catch (error) {
				return this.#failed(error as NodeJS.ErrnoException);
			}
		}
		if (this.#dropped > 0 && !this.#ended) {
			const dropped = this.#dropped;
			this.#dropped = 0;
			this.#onDropped(dropped);
			return this.#writeWaiting();
		}
		return true;
	}

	#nextChunk(): Buffer | undefined {
		if (this.#chunk || this.#lines.length === 0) return this.#chunk;
		const text = this.#maxWrite === Number.POSITIVE_INFINITY ? this.#lines.join("") : this.#nextLines();
		if (text.length === this.#waiting) {
			this.#lines = [];
			this.#firstLine = 0;
		}
		this.#waiting -= text.length;
		this.#chunk = Buffer.from(text);
		return this.#chunk;
	}

	/** Whole lines, as many as one write may have; a longer one comes alone. */
	#nextLines(): string {
		let text = "";
		let bytes = 0;
		while (this.#firstLine < this.#lines.length) {
			const line = this.#lines[this.#firstLine] as string;
			bytes += Buffer.byteLength(line);
			if (text !== "" && bytes > this.#maxWrite) break;
			text += line;
			this.#firstLine++;
		}
		if (this.#firstLine >= MANY_LINES) {
			this.#lines.splice(0, this.#firstLine);
			this.#firstLine = 0;
		}
		return text;
	}

	/** Whether the log is over (true) or the same bytes are to be tried again (false). */
	#failed(error: NodeJS.ErrnoException): boolean {
		if (error.code === "EPIPE") {
			this.#end();
			this.#onError("nobody reads the log any more (EPIPE); no further lines are written");
			return true;
		}
		// A non-blocking descriptor that is full is no failure.
		if (error.code !== "EAGAIN" && !this.#failing) {
			this.#failing = true;
			this.#onError(`the log cannot be written; lines are kept and tried again: ${error.message}`);
		}
		return false;
	}

	#end(): void {
		this.#ended = true;
		this.#chunk = undefined;
		this.#lines = [];
		this.#firstLine = 0;
	}

	/** The event loop is over: what is left goes out now, or within {@link EXIT_WAIT_MS} when the reader is slow. */
	#writeRest(): void {
		const end = performance.now() + EXIT_WAIT_MS;
		while (!this.#writeWaiting() && !this.#failing && performance.now() < end) sleep(5);
		if (this.#chunk) this.#onError("the last lines of the log could not be written");
	}
}

/**
 * Stdout's descriptor, made non-blocking where that matters: for a pipe or socket, opening `process.stdout` does it
 * (libuv). A file never blocks for long; a terminal stays blocking, as for every program in a shell.
 */
export function nonBlockingStdout(): number {
	return process.stdout.fd ?? 1;
}

/** Whether a descriptor is a pipe or a socket, which may take a part of a write. */
export function isPipe(fd: number): boolean {
	try {
		const stat = fstatSync(fd);
		return stat.isFIFO() || stat.isSocket();
	} catch {
		// Closed: nothing will be written at all.
		return false;
	}
}

function sleep(milliseconds: number): void {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function reportOnStderr(message: string): void {
	try {
		writeSync(2, `clawgate: ${message}\n`);
	} catch {
		// stderr is gone too: there is nobody left to tell.
	}
}
