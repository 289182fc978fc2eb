/**
 * Writes to a plain socket past its stream: one system call, without a request object, a callback and a tick for each
 * message. Only for a socket whose stream has nothing waiting; what the kernel does not take at once belongs to the
 * stream again. Needs the socket's descriptor, which Node does not document; without it everything goes through the
 * stream.
 */
import { writeSync } from "node:fs";
import type { Socket } from "node:net";

type InternalSocket = Socket & { _handle?: { fd?: unknown } | null; encrypted?: boolean };

/** The descriptor to write to; -1 where there is none: TLS, Windows, a Node that hides it. Good until the socket is destroyed. */
export function descriptorOf(socket: Socket): number {
	const { encrypted, _handle } = socket as InternalSocket;
	const fd = encrypted ? undefined : _handle?.fd;
	return typeof fd === "number" ? fd : -1;
}

/**
 * Writes bytes `start` to `end` as far as the kernel has room for them, without waiting.
 * @returns how many it took
 * @throws the error of the system call when the connection is gone
 */
export function writeAtOnce(fd: number, buffer: Buffer, start: number, end: number): number {
	try {
		return writeSync(fd, buffer, start, end - start);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
		throw error;
	}
}

/** Writes all of `bytes`, at once as far as that is possible, and the rest through the stream. Failures end the socket. */
export function writeAll(socket: Socket, bytes: Buffer): void {
	if (socket.destroyed) return;
	const fd = socket.writableLength === 0 ? descriptorOf(socket) : -1;
	let taken = 0;
	try {
		if (fd >= 0) taken = writeAtOnce(fd, bytes, 0, bytes.length);
	} catch (error) {
		socket.destroy(error as Error);
		return;
	}
	if (taken < bytes.length) socket.write(bytes.subarray(taken));
}
