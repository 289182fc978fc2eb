/** A configuration with everything it includes, as one tree of directives. */
import { dirname, relative, resolve } from "node:path";
import { type Directive, NginxSyntaxError, type Place } from "./directive.ts";
import { type ConfigFiles, diskFiles, dumpedFiles, glob, isPattern } from "./files.ts";
import type { Notes } from "./notes.ts";
import { parse } from "./parse.ts";

/** As deep as includes may include; a circle is found this way too. */
const DEEPEST_INCLUDE = 20;

/** A configuration, read. */
export interface LoadedConfig {
	readonly directives: readonly Directive[];
	/** The folder that relative paths in it start at. */
	readonly folder: string;
	/** The main file as the operator calls it. */
	readonly file: string;
}

/**
 * Reads a file and what it includes; the output of `nginx -T` is taken for the files it was made from. Places name files
 * as seen from `cwd` when they are below it. An include that is not there becomes a note.
 * @throws NginxSyntaxError when a file cannot be read, or is not nginx's language
 */
export function load(file: string, cwd: string, notes: Notes): LoadedConfig {
	const path = resolve(cwd, file);
	const text = readFile(diskFiles, path, { file, line: 1 });
	if (text === undefined) throw new NginxSyntaxError({ file, line: 1 }, "cannot read the configuration: no such file");
	const dump = dumpedFiles(text);
	if (dump === undefined) {
		const folder = dirname(path);
		return { directives: expand(parse(text, file), { files: diskFiles, folder, cwd, notes }, 0), folder, file };
	}
	const folder = dirname(dump.main);
	const main = dump.files.read(dump.main) as string;
	const context = { files: dump.files, folder, cwd, notes };
	return { directives: expand(parse(main, dump.main), context, 0), folder, file: dump.main };
}

interface Context {
	readonly files: ConfigFiles;
	readonly folder: string;
	readonly cwd: string;
	readonly notes: Notes;
}

function expand(directives: readonly Directive[], context: Context, depth: number): Directive[] {
	return directives.flatMap((directive) => {
		if (directive.name === "include" && directive.block === undefined) return include(directive, context, depth);
		if (directive.block === undefined) return [directive];
		return [{ ...directive, block: expand(directive.block, context, depth) }];
	});
}

function include(directive: Directive, context: Context, depth: number): Directive[] {
	const [pattern] = directive.args;
	if (pattern === undefined) throw new NginxSyntaxError(directive, "include needs the name of a file");
	if (depth >= DEEPEST_INCLUDE) throw new NginxSyntaxError(directive, "includes go in a circle");
	const { files, cwd, notes } = context;
	const paths = findFiles(pattern, directive, context);
	if (paths.length === 0 && !isPattern(pattern) && !pattern.endsWith("mime.types")) {
		notes.add(directive, `there is no file ${pattern}; what it says is missing in the result`, "dropped");
	}
	return paths.flatMap((path) => {
		const text = readFile(files, path, directive);
		if (text === undefined) return [];
		const shown = relative(cwd, path);
		const parsed = parse(text, files === diskFiles && !shown.startsWith("..") ? shown : path);
		return expand(parsed, context, depth + 1);
	});
}

/**
 * A relative name starts at the main file's folder. For a file on its own out of `sites-enabled` or `conf.d`, whose main
 * file is one folder up, that one is tried as well.
 */
function findFiles(pattern: string, place: Place, { folder, files }: Context): string[] {
	for (const start of [folder, dirname(folder)]) {
		const path = resolve(start, pattern);
		const found = isPattern(path) ? glob(path, files) : readFile(files, path, place) === undefined ? [] : [path];
		if (found.length > 0) return found;
	}
	return [];
}

function readFile(files: ConfigFiles, path: string, place: Place): string | undefined {
	try {
		return files.read(path);
	} catch (error) {
		throw new NginxSyntaxError(place, `cannot read ${path}: ${(error as Error).message}`);
	}
}
