/** Files that a configuration names: found from the config file's folder, read with words an operator understands. */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type Found, textsAt } from "./values-at.ts";

/** Every option that names a file, or a list of them; a new one is a line here. */
const FILE_OPTIONS = [
	"listeners.*.tls.certificates.*.cert",
	"listeners.*.tls.certificates.*.key",
	"listeners.*.tls.client_ca",
	"listeners.*.client_crl",
	"listeners.*.client_crl.*",
	"upstreams.*.tls.ca",
	"upstreams.*.tls.cert",
	"upstreams.*.tls.key",
	"defaults.auth.jwt.public_key",
	"defaults.auth.api_key.keys_file",
	"defaults.auth.basic.users_file",
	"routes.*.auth.jwt.public_key",
	"routes.*.auth.api_key.keys_file",
	"routes.*.auth.basic.users_file",
	"hub_api.keys_file",
	"hub_api.tls.certificates.*.cert",
	"hub_api.tls.certificates.*.key",
] as const;

/** Larger ones are not what was meant. */
const MAX_BYTES = 256 * 1024 * 1024;
/** A file that does not answer within this lies on a network file system that hangs; ms. */
const ANSWER_MS = 5_000;

/** Every file that the data names, as written. */
export function filesIn(data: unknown): Found<string>[] {
	return FILE_OPTIONS.flatMap((pattern) => textsAt(data, pattern)).filter(({ value }) => isFileName(value));
}

/** Puts the absolute path in place of every file name. Changes `data`. */
export function makeFilesAbsolute(data: unknown, folder: string): void {
	for (const { path, value } of filesIn(data)) {
		const parents = path.slice(0, -1);
		// The path was just found in the data, so every step of it is there.
		const parent = parents.reduce<unknown>((node, step) => (node as Record<string | number, unknown>)[step], data);
		(parent as Record<string | number, unknown>)[path.at(-1) as string] = resolve(folder, value);
	}
}

/** What a file holds and who may change it, or why it cannot be had. Structured-cloneable. */
export type FileContent =
	| { readonly bytes: Uint8Array; readonly mode: number; readonly trouble?: undefined }
	| { readonly trouble: string };

/** Contents by absolute path. */
export type FileContents = ReadonlyMap<string, FileContent>;

/** Gives a file's content. Never throws. */
export type ReadContent = (path: string) => FileContent;

/** A file's text, or why it cannot be had. */
export type FileText = { readonly text: string; readonly trouble?: undefined } | { readonly trouble: string };

const TROUBLES: Record<string, string> = {
	ENOENT: "no such file",
	ENOTDIR: "no such file",
	EACCES: "permission denied",
	EPERM: "permission denied",
	EISDIR: "it is a folder",
	// A socket.
	ENXIO: "it is not a regular file",
};

/** Should it have become a pipe meanwhile: opening one without a writer would wait for one. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** Reads a file at once. Never throws; only a regular file is read. */
export function readContent(path: string): FileContent {
	let fd: number | undefined;
	try {
		// To open a pipe and leave it would end whoever writes to it.
		const trouble = unreadable(statSync(path));
		if (trouble) return trouble;
		fd = openSync(path, OPEN_FLAGS);
		const stats = fstatSync(fd);
		return unreadable(stats) ?? { bytes: readFileSync(fd), mode: stats.mode };
	} catch (error) {
		return { trouble: troubleOf(error) };
	} finally {
		if (fd !== undefined) closeSync(fd);
	}
}

/** Whether it is a pipe. @throws Error when nobody can say */
export function isPipe(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}

/** Reads a file of UTF-8 text. Never throws. */
export function readText(path: string): FileText {
	return textOf(readContent(path));
}

export function textOf(content: FileContent): FileText {
	if (content.trouble !== undefined) return content;
	return { text: Buffer.from(content.bytes).toString("utf8") };
}

/** What cannot be asked for now: it was asked for and has not answered yet. */
const silent = new Set<string>();

/**
 * Asks a file system something, for a limited time. While one question has no answer no other one is asked: each would
 * keep a thread that look-ups of names need as well.
 * @throws Error when there is no answer in time, or when the file system says no
 */
export async function asked<T>(path: string, question: () => Promise<T>): Promise<T> {
	const [waiting] = silent;
	if (waiting !== undefined) throw new Error(`not read: ${waiting} gives no answer; is its network file system there?`);
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => {
			silent.add(path);
			reject(new Error(`no answer within ${ANSWER_MS / 1000} s; is its network file system there?`));
		}, ANSWER_MS);
	});
	const answer = question();
	const answered = (): void => {
		clearTimeout(timer);
		silent.delete(path);
	};
	answer.then(answered, answered);
	return Promise.race([answer, late]);
}

/** Like {@link readContent}, without keeping the event loop, however long the file system takes. */
export async function readContentLater(path: string): Promise<FileContent> {
	try {
		return await asked(path, async () => {
			let file: FileHandle | undefined;
			try {
				const trouble = unreadable(await stat(path));
				if (trouble) return trouble;
				file = await open(path, OPEN_FLAGS);
				const stats = await file.stat();
				return unreadable(stats) ?? { bytes: await file.readFile(), mode: stats.mode };
			} finally {
				await file?.close();
			}
		});
	} catch (error) {
		return { trouble: troubleOf(error) };
	}
}

/** Whether both name the same files with the same contents. */
export function sameContents(a: FileContents, b: FileContents): boolean {
	return a.size === b.size && [...a].every(([path, content]) => sameContent(content, b.get(path)));
}

export function sameContent(a: FileContent | undefined, b: FileContent | undefined): boolean {
	if (a === undefined || b === undefined) return a === b;
	if (a.trouble !== undefined || b.trouble !== undefined) return a.trouble === b.trouble;
	return a.bytes === b.bytes || Buffer.compare(a.bytes, b.bytes) === 0;
}

function unreadable(stats: Stats): FileContent | undefined {
	if (stats.isDirectory()) return { trouble: "it is a folder" };
	if (stats.isFIFO()) return { trouble: "it is a pipe; a file that can be read again is needed" };
	if (!stats.isFile()) return { trouble: "it is not a regular file" };
	return stats.size > MAX_BYTES ? { trouble: "it is larger than 256 MiB" } : undefined;
}

function troubleOf(error: unknown): string {
	const { code, message } = error as NodeJS.ErrnoException;
	return (code && TROUBLES[code]) ?? code ?? message;
}

function isFileName(text: string): boolean {
	return text !== "" && !text.includes("\0");
}
