import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LineWriter, type LineWriterOptions } from "../../../src/telemetry/line-writer.ts";

const NON_BLOCKING_READ = constants.O_RDONLY | constants.O_NONBLOCK;
const NON_BLOCKING_WRITE = constants.O_WRONLY | constants.O_NONBLOCK;

let folder: string;
let descriptors: number[];
let writers: LineWriter[];

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "clawgate-log-"));
	descriptors = [];
	writers = [];
});

afterEach(async () => {
	await Promise.all(writers.map((writer) => writer.close(0)));
	for (const descriptor of [...descriptors]) closeQuietly(descriptor);
	rmSync(folder, { recursive: true, force: true });
});

function lineWriter(options: LineWriterOptions): LineWriter {
	const writer = new LineWriter(options);
	writers.push(writer);
	return writer;
}

function open(path: string, flags: number): number {
	const descriptor = openSync(path, flags);
	descriptors.push(descriptor);
	return descriptor;
}

function closeQuietly(descriptor: number): void {
	if (!descriptors.includes(descriptor)) return;
	descriptors.splice(descriptors.indexOf(descriptor), 1);
	closeSync(descriptor);
}

/** A real pipe: the reading and the writing end. */
function pipe(): { reader: number; writer: number } {
	const path = join(folder, "pipe");
	execFileSync("mkfifo", [path]);
	const reader = open(path, NON_BLOCKING_READ);
	return { reader, writer: open(path, NON_BLOCKING_WRITE) };
}

function readAvailable(descriptor: number): string {
	const buffer = Buffer.alloc(1 << 20);
	let text = "";
	try {
		for (let n = readSync(descriptor, buffer); n > 0; n = readSync(descriptor, buffer))
			text += buffer.toString("utf8", 0, n);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
	}
	return text;
}

describe("LineWriter", () => {
	it("writes lines promptly, in order", async () => {
		const { reader, writer: fd } = pipe();
		const writer = lineWriter({ fd });
		writer.write("one\n");
		writer.write("zwö\n");
		let text = "";
		await vi.waitFor(() => {
			text += readAvailable(reader);
			expect(text).toBe("one\nzwö\n");
		});
	});

	it("keeps every line of a burst larger than the pipe, once the reader reads again", async () => {
		const { reader, writer: fd } = pipe();
		const onError = vi.fn();
		const writer = lineWriter({ fd, onError });
		const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`);
		for (const line of lines) writer.write(line);
		let text = "";
		await vi.waitFor(
			() => {
				text += readAvailable(reader);
				expect(text.length).toBe(lines.join("").length);
			},
			{ timeout: 10_000, interval: 5 },
		);
		expect(text).toBe(lines.join(""));
		expect(onError).not.toHaveBeenCalled();
	});

	it("does not hold up the event loop or flush for ever when nobody reads", async () => {
		const { reader, writer: fd } = pipe();
		const writer = lineWriter({ fd });
		writer.write("x".repeat(200_000));
		const start = performance.now();
		await writer.flush(50);
		expect(performance.now() - start).toBeLessThan(2000);
		expect(readAvailable(reader)).not.toBe("");
		writer.write("");
		let rest = 0;
		await vi.waitFor(() => {
			rest += readAvailable(reader).length;
			expect(rest).toBeGreaterThan(100_000);
		});
	});

	it("bounds what waits, and says how many lines it dropped", async () => {
		const { reader, writer: fd } = pipe();
		const onDropped = vi.fn();
		const writer = lineWriter({ fd, maxWaiting: 200_000, onDropped });
		for (let index = 0; index < 30; index++) writer.write(`${"x".repeat(9_999)}\n`);
		let text = "";
		await vi.waitFor(() => {
			text += readAvailable(reader);
			expect(onDropped).toHaveBeenCalledOnce();
		});
		text += readAvailable(reader);
		const dropped = onDropped.mock.calls[0]?.[0] as number;
		expect(dropped).toBeGreaterThan(0);
		expect(writer.lost).toBe(dropped);
		expect(text.length).toBe((30 - dropped) * 10_000);
	});

	it("goes on with the lines that nobody read when a pipe has a reader again, and says once that it had none", async () => {
		const { reader, writer: fd } = pipe();
		const onError = vi.fn();
		const writer = lineWriter({ fd, onError });
		closeQuietly(reader);
		writer.write("one\n");
		await writer.flush();
		writer.write("two\n");
		await writer.flush();
		expect(onError).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("EPIPE"));
		const next = open(join(folder, "pipe"), NON_BLOCKING_READ);
		writer.write("three\n");
		let text = "";
		await vi.waitFor(
			() => {
				text += readAvailable(next);
				expect(text).toBe("one\ntwo\nthree\n");
			},
			{ timeout: 5_000 },
		);
		expect(writer.lost).toBe(0);
	});

	it("gives the next reader whole lines when one went away in the middle of a line, and counts that one as lost", async () => {
		const { reader, writer: fd } = pipe();
		const writer = lineWriter({ fd, onError: vi.fn() });
		const long = `${"x".repeat(199_999)}\n`;
		writer.write(`first\n${long}`);
		writer.write("last\n");
		await writer.flush(0);
		let text = readAvailable(reader);
		expect(text.length).toBeLessThan(long.length);
		// The pipe is full again, or empty: the reader goes away in both cases.
		closeQuietly(reader);
		writer.write("after\n");
		await vi.waitFor(() => expect(writer.lost).toBe(1));
		text = "";
		const next = open(join(folder, "pipe"), NON_BLOCKING_READ);
		await vi.waitFor(
			() => {
				text += readAvailable(next);
				expect(text.endsWith("\nlast\nafter\n")).toBe(true);
			},
			{ timeout: 5_000 },
		);
	});

	it("does not hold up the end of the process for a pipe without a reader", async () => {
		const { reader, writer: fd } = pipe();
		const writer = lineWriter({ fd, onError: vi.fn() });
		closeQuietly(reader);
		writer.write("one\n");
		const start = performance.now();
		await writer.flush(5_000);
		expect(performance.now() - start).toBeLessThan(1_000);
	});

	it.skipIf(!existsSync("/dev/full"))("survives a full disk, and says so once", async () => {
		const onError = vi.fn();
		const writer = lineWriter({ fd: open("/dev/full", constants.O_WRONLY), onError });
		writer.write("one\n");
		await writer.flush(60);
		writer.write("two\n");
		await writer.flush(60);
		expect(onError).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("ENOSPC"));
	});

	it("writes what is left when the process exits", async () => {
		const path = join(folder, "log");
		const before = process.listenerCount("exit");
		const writer = lineWriter({ fd: open(path, constants.O_WRONLY | constants.O_CREAT) });
		writer.write("last words\n");
		expect(readFileSync(path, "utf8")).toBe("");
		(process.listeners("exit").at(-1) as () => void)();
		expect(readFileSync(path, "utf8")).toBe("last words\n");
		await writer.close();
		expect(process.listenerCount("exit")).toBe(before);
	});

	it("does not wait for ever at the exit when nobody reads", async () => {
		const { reader, writer: fd } = pipe();
		const onError = vi.fn();
		const writer = lineWriter({ fd, onError });
		writer.write("x".repeat(200_000));
		const start = performance.now();
		(process.listeners("exit").at(-1) as () => void)();
		expect(performance.now() - start).toBeLessThan(3000);
		expect(onError).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("last lines"));
		expect(readAvailable(reader)).not.toBe("");
	});
});
