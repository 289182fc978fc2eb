/** The result as a routes.yaml that a person can go on with: comments, short maps on one line. */
import { Document, isMap, isScalar, isSeq, type Node, type Pair, Scalar, visit } from "yaml";

/** A comment before a node, by the path of keys to it. */
export interface Comments {
	/** At the top of the file. */
	readonly head: string;
	/** `listeners`, `routes.3`, `upstreams.chat` … */
	readonly at: ReadonlyMap<string, string>;
}

/** Longest line that a map or list is put on. */
const WIDTH = 110;
/** Maps that always have lines of their own. */
const OPEN = /^(?:|listeners|upstreams|routes|defaults|(?:listeners|routes)\.\d+|upstreams\.[^.]+)$/;

/** Writes the file. `${` in values is escaped, since it would be taken for a variable. */
export function writeYaml(data: object, comments: Comments): string {
	const document = new Document(data, { aliasDuplicateObjects: false });
	document.commentBefore = comments.head.replace(/^/gm, " ");
	const paths = new Map<Node, string>();
	visit(document, {
		Scalar(key, node) {
			if (key === "key" || typeof node.value !== "string") return;
			const text = node.value.replaceAll("${", () => "$${");
			node.value = text;
			if (needsQuotes(text)) node.type = Scalar.QUOTE_SINGLE;
		},
		Collection(key, node, ancestors) {
			const path = pathTo(key, ancestors as readonly (Node | Pair)[], paths);
			paths.set(node, path);
			const text = JSON.stringify(node.toJSON());
			const alone = OPEN.test(path) || text.length > WIDTH - 2 * path.split(".").length;
			node.flow = !alone;
			const comment = comments.at.get(path);
			if (comment === undefined) return;
			const owner = keyOf(node, ancestors as readonly (Node | Pair)[]);
			owner.commentBefore = comment.replace(/^/gm, " ");
			owner.spaceBefore = true;
		},
	});
	const text = document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: true, indentSeq: true });
	// No empty line after the key whose first entry has a comment, and one before each section.
	return text
		.replace(/^ +$/gm, "")
		.replace(/:\n\n(?= )/g, ":\n")
		.replace(/\n{3,}/g, "\n\n");
}

/** Words that older YAML readers take for something else, and what looks like a number with a unit. */
function needsQuotes(text: string): boolean {
	return /^(?:y|n|yes|no|on)$/i.test(text) || text.includes(": ") || /^[:[*&!|>%@`]/.test(text);
}

function pathTo(place: unknown, ancestors: readonly (Node | Pair)[], paths: ReadonlyMap<Node, string>): string {
	const parent = ancestors.at(-1);
	if (parent === undefined || !("items" in parent || "key" in parent)) return "";
	if (isSeq(parent)) return join(paths.get(parent), String(place));
	const map = ancestors.at(-2);
	const key = "key" in parent && isScalar(parent.key) ? String(parent.key.value) : "";
	return join(isMap(map) ? paths.get(map) : undefined, key);
}

function join(path: string | undefined, step: string): string {
	return path === undefined || path === "" ? step : `${path}.${step}`;
}

/** What a comment stands before: a list's item itself, a map's key. */
function keyOf(
	node: Node,
	ancestors: readonly (Node | Pair)[],
): { commentBefore?: string | null; spaceBefore?: boolean } {
	const parent = ancestors.at(-1);
	if (parent !== undefined && "key" in parent && isScalar(parent.key)) return parent.key;
	return node;
}
