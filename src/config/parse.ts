/** YAML text to plain data whose every value has a position. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import { tooDeepAt } from "./nesting.ts";
import { isMergeKey, locate, positionOf, resolveAlias } from "./positions.ts";
import { formatPath, type KeyPath, type Problem } from "./problem.ts";
import { type Environment, substitute } from "./substitute.ts";

/** How a problem is placed. */
export interface ProblemOptions {
	/** Point at the key instead of its value. */
	onKey?: boolean;
	severity?: Problem["severity"];
}

/** Makes problems with positions of one file. */
export interface Source {
	problem(path: KeyPath, message: string, options?: ProblemOptions): Problem;
}

export interface ParsedYaml {
	/** Maps, lists and scalars; undefined when the text is not YAML. */
	readonly data: unknown;
	readonly source: Source;
	readonly problems: readonly Problem[];
}

/** More uses of aliases than this is an attack or an accident (the "billion laughs"). */
const MAX_ALIASES = 100;

const TOO_DEEP = "the YAML is nested too deeply";

/** Reads YAML 1.2 with merge keys and replaces `${NAME}` in its values. Never throws: what is wrong becomes a problem. */
export function parseYaml(content: string, file: string, environment: Environment): ParsedYaml {
	// A byte order mark is not a character of the first line.
	const text = content.startsWith("\uFEFF") ? content.slice(1) : content;
	const lines = new LineCounter();
	const at = (offset: number, message: string, path = ""): Problem => {
		return { file, ...positionOf(lines, offset), path, message, severity: "error" };
	};
	const nothing = (problem: Problem): ParsedYaml => ({
		data: undefined,
		source: { problem: () => problem },
		problems: [problem],
	});
	const tooDeep = tooDeepAt(text);
	if (tooDeep !== undefined) return nothing({ ...at(0, TOO_DEEP), ...placeOf(text, tooDeep) });
	let document: Document;
	try {
		document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, logLevel: "error" });
	} catch (error) {
		return nothing(at(0, unreadable(error)));
	}
	const source: Source = {
		problem: (path, message, options = {}) => ({
			file,
			...locate(document, lines, path, options.onKey ? "key" : "value"),
			path: formatPath(path),
			message,
			severity: options.severity ?? "error",
		}),
	};
	const duplicates = document.errors.filter((error) => error.code === "DUPLICATE_KEY");
	const problems = duplicates.map((error) => at(error.pos[0], `the key ${wordAt(text, error.pos[0])}is there twice`));
	// One slip gives many syntax errors; only the first one says what is wrong.
	const broken = document.errors.find((error) => error.code !== "DUPLICATE_KEY");
	if (broken) {
		problems.push(at(broken.pos[0], syntaxMessage(broken.code, broken.message, lineAt(text, broken.pos[0]))));
		return { data: undefined, source, problems };
	}
	for (const warning of document.warnings) problems.push(at(warning.pos[0], warning.message));
	try {
		problems.push(...replaceVariables(document, environment, at));
		return { data: document.toJS({ maxAliasCount: MAX_ALIASES }), source, problems };
	} catch (error) {
		if (problems.length === 0) problems.push(at(0, unreadable(error)));
		return { data: undefined, source, problems };
	}
}

type At = (offset: number, message: string) => Problem;

/** Puts the environment's values into the scalars and finds what YAML allows but a configuration cannot use. */
function replaceVariables(document: Document, environment: Environment, at: At): Problem[] {
	const problems: Problem[] = [];
	visit(document, {
		Scalar(key, node) {
			const offset = node.range?.[0] ?? 0;
			if (typeof node.value !== "string") return;
			if (key === "key") {
				if (node.value.includes("${")) problems.push(at(offset, `\${…} is replaced in values only, not in keys`));
				if (node.value === "__proto__") problems.push(at(offset, "__proto__ cannot be a key"));
				return;
			}
			if (!node.value.includes("${")) return;
			const { value, mistakes } = substitute(node.value, environment, node.type === "PLAIN");
			node.value = value;
			problems.push(...mistakes.map((mistake) => at(offset, mistake)));
		},
		Alias(_, node) {
			if (node.resolve(document) === undefined) {
				problems.push(at(node.range?.[0] ?? 0, `*${node.source} refers to nothing: write &${node.source} before it`));
			}
		},
		Pair(_, pair) {
			const offset = (pair.key as { range?: [number, number, number] } | null)?.range?.[0] ?? 0;
			if (!isScalar(pair.key) && !isAlias(pair.key)) problems.push(at(offset, "a key has to be plain text"));
			if (!isMergeKey(pair.key)) return;
			const merged = resolveAlias(pair.value, document);
			const sources = isSeq(merged) ? merged.items : [merged];
			if (!sources.every((item) => isMap(resolveAlias(item, document)))) {
				problems.push(at(offset, "<< takes a map, or a list of maps"));
			}
		},
	});
	return problems;
}

function syntaxMessage(code: string, message: string, line: string): string {
	if (code === "MULTIPLE_DOCS") return "there is a second YAML document; a configuration is one document";
	if (code === "RESOURCE_EXHAUSTION") return TOO_DEEP;
	const quote = line.includes("${") ? `; inside { } and [ ] a \${NAME} needs quotes around it` : "";
	return `not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}${quote}`;
}

function unreadable(error: unknown): string {
	if (error instanceof RangeError) return TOO_DEEP;
	return `not valid YAML: ${error instanceof Error ? error.message : String(error)}`;
}

function wordAt(text: string, offset: number): string {
	const word = /^"([^"\n]+)"|^'([^'\n]+)'|^[^\s:,{}[\]"']+/.exec(text.slice(offset, offset + 100));
	return word ? `"${word[1] ?? word[2] ?? word[0]}" ` : "";
}

function lineAt(text: string, offset: number): string {
	const end = text.indexOf("\n", offset);
	return text.slice(text.lastIndexOf("\n", Math.max(0, offset - 1)) + 1, end < 0 ? text.length : end);
}

/** A position without the parser's help. */
function placeOf(text: string, offset: number): { line: number; col: number } {
	const before = text.slice(0, offset).split("\n");
	return { line: before.length, col: (before.at(-1)?.length ?? 0) + 1 };
}
