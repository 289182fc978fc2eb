/** The files of `src/` and who imports whom, read from the import lines. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { ROOT } from "../harness/child.ts";

export interface Import {
	/** As written. */
	readonly specifier: string;
	/** Path below `src/`; undefined for a package or a module of Node's. */
	readonly file: string | undefined;
	/** Erased by the compiler: nothing is loaded. */
	readonly typeOnly: boolean;
}

export interface SourceFile {
	/** Path below `src/`, with slashes. */
	readonly path: string;
	readonly text: string;
	readonly imports: readonly Import[];
}

/** `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`. */
const IMPORT = /^(?:import|export)\s+(type\s)?[^;"']*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** Every TypeScript file of `src/`. */
export function sourceFiles(): SourceFile[] {
	const root = join(ROOT, "src");
	const paths = readdirSync(root, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
		.map((entry) => relative(root, join(entry.parentPath, entry.name)).split("\\").join("/"));
	return paths.sort().map((path) => {
		const text = readFileSync(join(root, path), "utf8");
		return { path, text, imports: importsOf(path, text) };
	});
}

export function importsOf(path: string, text: string): Import[] {
	const imports: Import[] = [];
	for (const [, type, from, bare, dynamic] of text.matchAll(IMPORT)) {
		const specifier = (from ?? bare ?? dynamic) as string;
		const file = specifier.startsWith(".") ? posix.normalize(posix.join(dirname(path), specifier)) : undefined;
		imports.push({ specifier, file, typeOnly: type !== undefined });
	}
	return imports;
}

/** One cycle of files that load each other, in order; undefined when there is none. */
export function findCycle(files: readonly Pick<SourceFile, "path" | "imports">[]): string[] | undefined {
	const loads = new Map(
		files.map(({ path, imports }) => [
			path,
			imports.flatMap(({ file, typeOnly }) => (file && !typeOnly ? [file] : [])),
		]),
	);
	const done = new Set<string>();
	const visit = (path: string, way: string[]): string[] | undefined => {
		const at = way.indexOf(path);
		if (at >= 0) return [...way.slice(at), path];
		if (done.has(path)) return undefined;
		for (const next of loads.get(path) ?? []) {
			const cycle = visit(next, [...way, path]);
			if (cycle) return cycle;
		}
		done.add(path);
		return undefined;
	};
	for (const path of loads.keys()) {
		const cycle = visit(path, []);
		if (cycle) return cycle;
	}
	return undefined;
}
