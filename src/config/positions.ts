/** Where in a YAML document a key path is. */
import {
	type Document,
	isAlias,
	isMap,
	isNode,
	isPair,
	isScalar,
	isSeq,
	type LineCounter,
	type Node,
	type Pair,
} from "yaml";
import type { KeyPath } from "./problem.ts";

export interface Position {
	readonly line: number;
	readonly col: number;
}

/**
 * The position of the value at `path`, or of its key; of the closest map or list around it when it is not there.
 * Aliases and merge keys are followed to where a value was written.
 */
export function locate(document: Document, lines: LineCounter, path: KeyPath, what: "key" | "value"): Position {
	let node: unknown = document.contents;
	let offset = startOf(node) ?? 0;
	for (const [index, step] of path.entries()) {
		const found = child(resolveAlias(node, document), step, document);
		if (!found) break;
		const last = index === path.length - 1;
		const keyOffset = isPair(found) ? startOf(found.key) : undefined;
		node = isPair(found) ? found.value : found;
		const valueOffset = isBlank(node) ? keyOffset : startOf(node);
		offset = (last && what === "key" ? keyOffset : valueOffset) ?? keyOffset ?? offset;
	}
	return positionOf(lines, offset);
}

/** Line and column from 1; an empty document has no lines, its place is 1:1. */
export function positionOf(lines: LineCounter, offset: number): Position {
	const { line, col } = lines.linePos(offset);
	return { line: Math.max(1, line), col: Math.max(1, col) };
}

/** What an alias stands for; any other node is itself. */
export function resolveAlias(node: unknown, document: Document): unknown {
	return isAlias(node) ? node.resolve(document) : node;
}

/** Whether a map key is YAML's merge key `<<` (not the quoted text). */
export function isMergeKey(key: unknown): boolean {
	return isScalar(key) && typeof key.value === "symbol";
}

function startOf(node: unknown): number | undefined {
	return isNode(node) ? (node as Node).range?.[0] : undefined;
}

/** A key without a value, as in `http:`, is better pointed at by its key. */
function isBlank(node: unknown): boolean {
	return node === null || (isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1]);
}

function child(node: unknown, step: string | number, document: Document, depth = 0): Pair | Node | undefined {
	if (isSeq(node)) return typeof step === "number" ? (node.items[step] as Node | undefined) : undefined;
	if (!isMap(node)) return undefined;
	const own = node.items.find(
		(pair) => isScalar(pair.key) && !isMergeKey(pair.key) && String(pair.key.value) === String(step),
	);
	if (own) return own;
	// The depth ends a map that is merged into itself.
	if (depth > 20) return undefined;
	for (const pair of node.items) {
		if (!isMergeKey(pair.key)) continue;
		const merged = resolveAlias(pair.value, document);
		for (const source of isSeq(merged) ? merged.items : [merged]) {
			const found = child(resolveAlias(source, document), step, document, depth + 1);
			if (found) return found;
		}
	}
	return undefined;
}
