/** The shape of `src/`: imports point down the list of layers, nothing goes round. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../harness/child.ts";
import { findCycle, importsOf, sourceFiles } from "./source-tree.ts";

/**
 * From the top down. A line may import every line below it. Units on one line never import each other; files of one unit
 * may. A unit is a folder, or a file, or a group of files in `src/` itself.
 */
const LAYERS: readonly (readonly string[])[] = [
	["main.ts"],
	["cli"],
	["supervisor"],
	["app", "doctor", "import"],
	["engines"],
	["server", "admin", "telemetry"],
	["gateway"],
	["config"],
	["hub"],
	["routing", "upstreams", "policy", "tunnel"],
	["protocol", "sockets"],
	["client", "departure.ts", "errors.ts", "options.ts", "slices.ts", "version.ts"],
];

/** The composition root is more than one file. */
const GROUPS: Readonly<Record<string, string>> = {
	"app.ts": "app",
	"gateway-process.ts": "app",
	"admin-port.ts": "app",
	"admin-api.ts": "app",
	"reload.ts": "app",
	"metrics-source.ts": "app",
	"last-resort.ts": "app",
	"cancellable.ts": "app",
	"hub-api.ts": "app",
};

const files = sourceFiles();

function unitOf(path: string): string {
	const [first = ""] = path.split("/");
	return GROUPS[first] ?? first;
}

function layerOf(unit: string): number {
	return LAYERS.findIndex((units) => units.includes(unit));
}

/** Why `from` may not import `to`; undefined when it may. */
function breach(from: string, to: string): string | undefined {
	const [source, target] = [unitOf(from), unitOf(to)];
	if (source === target) return undefined;
	const [above, below] = [layerOf(source), layerOf(target)];
	if (above < 0 || below < 0) return undefined;
	if (above === below) return `${source} and ${target} stand on one line`;
	return above > below ? `${target} stands above ${source}` : undefined;
}

test("every file of src/ has its place in the list of layers", () => {
	const placeless = files.filter(({ path }) => layerOf(unitOf(path)) < 0).map(({ path }) => path);
	expect(placeless).toEqual([]);
	expect(files.length).toBeGreaterThan(100);
});

test("imports point down the list, and units on one line never import each other", () => {
	const breaches = files.flatMap(({ path, imports }) =>
		imports.flatMap(({ file }) => {
			const why = file === undefined ? undefined : breach(path, file);
			return why === undefined ? [] : [`${path} imports ${file}: ${why}`];
		}),
	);
	expect(breaches).toEqual([]);
});

test("no files load each other in a circle", () => {
	expect(findCycle(files)).toBeUndefined();
});

test("every import names a file that exists, with its ending, a module of Node's, or a dependency", () => {
	const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
		dependencies: Record<string, string>;
	};
	const wrong: string[] = [];
	for (const { path, imports } of files) {
		for (const { specifier, file } of imports) {
			if (file !== undefined) {
				if (!existsSync(join(ROOT, "src", file))) wrong.push(`${path}: ${specifier}`);
				continue;
			}
			if (specifier.startsWith("node:")) {
				if (!builtinModules.includes(specifier.slice("node:".length))) wrong.push(`${path}: ${specifier}`);
				continue;
			}
			const [scope = "", name] = specifier.split("/");
			const dependency = scope.startsWith("@") ? `${scope}/${name}` : scope;
			if (!(dependency in dependencies)) wrong.push(`${path}: ${specifier}`);
		}
	}
	expect(wrong).toEqual([]);
	// A worker thread resolves its module by name, and the sample servers of `npm start` are shipped too.
	const examples = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".js"));
	const texts = [
		...files.map(({ text }) => text),
		...examples.map((name) => readFileSync(join(ROOT, "examples", name), "utf8")),
	];
	const named = (name: string): boolean =>
		texts.some((text) => text.includes(`"${name}"`) || text.includes(`"${name}/`));
	expect(Object.keys(dependencies).filter((name) => !named(name))).toEqual([]);
});

test("no file is called utils, helpers, common or manager", () => {
	expect(
		files.map(({ path }) => path).filter((path) => /(^|[/-])(utils?|helpers?|common|managers?)[./-]/.test(path)),
	).toEqual([]);
});

describe("these rules", () => {
	test("read every kind of import line", () => {
		const text = [
			'import { a } from "./a.ts";',
			'import type { B } from "../b.ts";',
			'export * from "./c.ts";',
			'export type { D } from "./d/e.ts";',
			'import "./f.ts";',
			'import {\n\tg,\n\ttype H,\n} from "./g.ts";',
			'const i = await import("./i.ts");',
			'// from "./no.ts"',
			'const text = `import { x } from`; const y = "./no.ts";',
		].join("\n");
		expect(importsOf("gateway/x.ts", text).map(({ file, typeOnly }) => [file, typeOnly])).toEqual([
			["gateway/a.ts", false],
			["b.ts", true],
			["gateway/c.ts", false],
			["gateway/d/e.ts", true],
			["gateway/f.ts", false],
			["gateway/g.ts", false],
			["gateway/i.ts", false],
		]);
	});

	test("notice an import upwards, one across a line and a circle", () => {
		expect(breach("protocol/a.ts", "gateway/b.ts")).toBe("gateway stands above protocol");
		expect(breach("policy/a.ts", "tunnel/b.ts")).toBe("policy and tunnel stand on one line");
		expect(breach("gateway/a.ts", "tunnel/b.ts")).toBeUndefined();
		expect(breach("app.ts", "reload.ts")).toBeUndefined();
		const file = (path: string, to: string, typeOnly = false) => ({
			path,
			imports: [{ specifier: "", file: to, typeOnly }],
		});
		expect(findCycle([file("a.ts", "b.ts"), file("b.ts", "c.ts"), file("c.ts", "b.ts")])).toEqual([
			"b.ts",
			"c.ts",
			"b.ts",
		]);
		expect(findCycle([file("a.ts", "b.ts"), file("b.ts", "a.ts", true)])).toBeUndefined();
	});
});
