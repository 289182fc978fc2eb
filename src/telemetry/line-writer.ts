/** Writes lines to a file descriptor: in batches, in order, without waiting for a slow reader, none lost at the exit. */
import { fstatSync, writeSync } from "node:fs";
import { isFile, TornLine } from "./torn-line.ts";

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
/** Until another try after the descriptor took nothing; after a failure twice as long each time, up to the second. */
const RETRY_MS = 20;
const LONGEST_RETRY_MS = 1_000;
const LINE_END = 10;
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
	/** Other processes write to the same descriptor. */
	readonly shared?: boolean;
	/** Called before each write. Must not throw. */
	readonly beforeWrite?: (() => void) | undefined;
	/** The descriptor fails; called once for each outage. Default: a line on stderr. */
	readonly onError?: (message: string) => void;
	/** The descriptor works again after lines were dropped. */
	readonly onDropped?: (lines: number) => void;
}

/**
 * Lines of one turn of the event loop, or of a few milliseconds under load, become one write. Not in the thread pool: a write that hangs there (a reader that
 * stopped) cannot be taken back and keeps the process from exiting. After a failure, a full disk or a pipe without a reader,
 * the same lines are tried again: a log shipper that restarts opens the pipe anew.
 */
export class LineWriter {
	readonly #fd: number;
	readonly #maxWaiting: number;
	readonly #maxWrite: number;
	readonly #onError: (message: string) => void;
	readonly #onDropped: (lines: number) => void;
	readonly #beforeWrite: () => void;
	readonly #torn: TornLine | undefined;
	#lines: string[] = [];
	/** Those before it are written. */
	#firstLine = 0;
	/** Characters in `#lines`. */
	#waiting = 0;
	/** Characters taken since the last try to write. */
	#untried = 0;
	#dropped = 0;
	#lost = 0;
	/** Taken from `#lines`, not yet written. */
	#chunk: Buffer | undefined;
	#scheduled = false;
	#retrying = false;
	#failing = false;
	#retryMs = RETRY_MS;
	/** The present chunk begins inside a line. */
	#cut = false;
	/** The last write was cut off in a line, the beginning of which is not in the file any more. */
	#tookBack = false;
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
		this.#beforeWrite = options.beforeWrite ?? (() => {});
		this.#torn = options.shared && isFile(options.fd) ? new TornLine(options.fd) : undefined;
		process.on("exit", this.#atExit);
	}

	/** Lines that nobody will read. */
	get lost(): number {
		return this.#lost;
	}

	/** Takes one line with its line break. Never throws. */
	write(line: string): void {
		if (this.#ended) return;
		if (this.#waiting + line.length > this.#maxWaiting) {
			this.#dropped++;
			this.#lost++;
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
		// A failure lasts longer than anybody who flushes can wait.
		if (this.#writeWaiting() || this.#failing) return Promise.resolve();
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
		}, this.#retryMs).unref();
	}

	/** Writes what waits; false when some of it has to be tried again. */
	#writeWaiting(): boolean {
		this.#beforeWrite();
		for (let chunk = this.#nextChunk(); chunk; chunk = this.#nextChunk()) {
			try {
				const written = writeSync(this.#fd, chunk);
				this.#chunk = this.#rest(chunk, written);
				if (this.#tookBack) return this.#failed(diskFull());
				this.#failing = false;
				this.#retryMs = RETRY_MS;
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

	/** What is left to be written of a chunk. */
	#rest(chunk: Buffer, written: number): Buffer | undefined {
		this.#tookBack = false;
		const lineStart = written === 0 ? 0 : chunk.lastIndexOf(LINE_END, written - 1) + 1;
		// Of a line that was begun by an earlier write only a part could be taken back: that is no help.
		const begunEarlier = this.#cut && lineStart === 0;
		this.#cut = begunEarlier || written > lineStart;
		if (written === chunk.length) return undefined;
		if (this.#cut && !begunEarlier && this.#torn?.takeBack(written - lineStart)) {
			this.#cut = false;
			this.#tookBack = true;
			return chunk.subarray(lineStart);
		}
		return chunk.subarray(written);
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

	/** The same lines are to be tried again, so the answer is always no. */
	#failed(error: NodeJS.ErrnoException): false {
		// A non-blocking descriptor that is full is no failure.
		if (error.code === "EAGAIN") return false;
		this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
		if (error.code === "EPIPE") this.#skipCutLine();
		if (!this.#failing) {
			this.#failing = true;
			this.#onError(`the log cannot be written; lines are kept and tried again: ${error.message}`);
		}
		return false;
	}

	/** The reader that had the beginning of the line is gone; the next one cannot use its end. */
	#skipCutLine(): void {
		if (!this.#cut || this.#chunk === undefined) return;
		this.#cut = false;
		this.#lost++;
		// The line break stays: the beginning may still be in the pipe.
		this.#chunk = this.#chunk.subarray(Math.max(0, this.#chunk.indexOf(LINE_END)));
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

function diskFull(): NodeJS.ErrnoException {
	return Object.assign(new Error("there is no room for a whole line"), { code: "ENOSPC" });
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
