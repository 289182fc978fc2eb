/** Files that a configuration names: found from the config file's folder, read with words an operator understands. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Found, textsAt } from "./values-at.ts";

/** Every option that names a file; a new one is a line here. */
const FILE_OPTIONS = [
	"listeners.*.tls.certificates.*.cert",
	"listeners.*.tls.certificates.*.key",
	"listeners.*.tls.client_ca",
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
] as const;

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

/** A file's text, or why it cannot be had. */
export type FileText = { readonly text: string; readonly trouble?: undefined } | { readonly trouble: string };

const TROUBLES: Record<string, string> = {
	ENOENT: "no such file",
	ENOTDIR: "no such file",
	EACCES: "permission denied",
	EPERM: "permission denied",
	EISDIR: "it is a folder",
};

/** Reads a file of UTF-8 text. Never throws. */
export function readText(path: string): FileText {
	try {
		return { text: readFileSync(path, "utf8") };
	} catch (error) {
		const { code, message } = error as NodeJS.ErrnoException;
		return { trouble: (code && TROUBLES[code]) ?? code ?? message };
	}
}

function isFileName(text: string): boolean {
	return text !== "" && !text.includes("\0");
}
