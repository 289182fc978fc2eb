/** The words of the reference for JSON Schema types, and where the schema has maps that need a table. */
import type { JsonSchema } from "./json-schema.ts";

/** A map whose keys are documented, and its path: `listeners[].tls`, `upstreams.<name>`. */
export interface DescribedMap {
	readonly path: string;
	readonly map: JsonSchema;
}

/** The documented maps that a value may be or hold, without going into them. */
export function describedMaps(path: string, schema: JsonSchema): DescribedMap[] {
	if (schema.anyOf) {
		const found = schema.anyOf.flatMap((branch) => describedMaps(path, branch as JsonSchema));
		// A value or a list of them is one map to describe, not two.
		return found.filter(({ map }, index) => found.findIndex((other) => same(other.map, map)) === index);
	}
	if (schema.type === "array") return describedMaps(`${path}[]`, schema.items as JsonSchema);
	if (schema.type !== "object") return [];
	if (!schema.properties) return describedMaps(`${path}.<name>`, entriesOf(schema));
	return isInline(schema) ? [] : [{ path, map: schema }];
}

/** A value's type for a table cell, in Markdown. */
export function typeOf(schema: JsonSchema): string {
	const special = SPECIAL.find(([, parts]) => same(parts, schema.anyOf?.map(essence)));
	if (special) return special[0];
	// `false` is what YAML 1.1 makes of a bare `off`.
	if (schema.anyOf) return typesOf((schema.anyOf as JsonSchema[]).filter(({ const: only }) => only !== false));
	if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(" or ");
	if (schema.const !== undefined) return `\`${schema.const}\``;
	if (schema.type === "array") return `list of ${typeOf(schema.items as JsonSchema)}`;
	if (schema.type !== "object") return TYPES[String(schema.type)] ?? "anything";
	if (!schema.properties) return `map of ${typeOf(entriesOf(schema))}`;
	if (!isInline(schema)) return "map";
	const keys = Object.entries(schema.properties as Record<string, JsonSchema>);
	return `\`{ ${keys.map(([key, value]) => `${key}: ${typeOf(value)}`).join(", ")} }\``;
}

const TYPES: Record<string, string> = {
	string: "text",
	number: "number",
	integer: "whole number",
	boolean: "`true` or `false`",
	null: "nothing",
};

/** The shapes of options.ts, as their parts' types and constants. */
const SPECIAL: readonly (readonly [string, readonly unknown[]])[] = [
	["duration", ["string", 0, false]],
	["size", ["integer", "string"]],
	["percentage", ["number", "string"]],
];

function essence(part: unknown): unknown {
	const { const: only, type, pattern } = part as JsonSchema;
	return only ?? (pattern === undefined ? type : pattern);
}

function typesOf(parts: readonly JsonSchema[]): string {
	const [list, single] = parts;
	if (parts.length === 2 && same(list?.items, single)) return `${typeOf(single as JsonSchema)}, or a list of these`;
	return [...new Set(parts.map(typeOf))].join(" or ");
}

/** A small map without words of its own, such as `{ cookie: name }`, fits into the cell. */
function isInline(schema: JsonSchema): boolean {
	const properties = Object.values((schema.properties ?? {}) as Record<string, JsonSchema>);
	return (
		properties.length <= 2 &&
		properties.every(({ description, type }) => description === undefined && type !== "object")
	);
}

function entriesOf(schema: JsonSchema): JsonSchema {
	return typeof schema.additionalProperties === "object" ? (schema.additionalProperties as JsonSchema) : {};
}

function same(a: unknown, b: unknown): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}
