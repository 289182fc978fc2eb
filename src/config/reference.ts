/** docs/configuration.md, made from the schema so that it cannot fall behind. */
import { configJsonSchema, type JsonSchema } from "./json-schema.ts";
import { FULL_EXAMPLE, INTRODUCTION } from "./reference-text.ts";
import { describedMaps, typeOf } from "./reference-types.ts";

/** The text of docs/configuration.md. */
export function configurationReference(): string {
	const schema = configJsonSchema();
	return [INTRODUCTION, "## All keys\n", ...section("", schema), FULL_EXAMPLE].join("\n");
}

/** A heading and a table for the map at `path`, then those of the maps inside it. */
function section(path: string, map: JsonSchema): string[] {
	const properties = Object.entries(map.properties ?? {}) as [string, JsonSchema][];
	const rows = properties.map(([key, value]) => row(key, value, map.required?.includes(key) ?? false));
	const heading = path === "" ? "### Top level" : `### \`${path}\``;
	const table = ["| key | type | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
	const inner = properties
		// `defaults` has the keys of a route: one table is enough.
		.filter(([key]) => path !== "" || key !== "defaults")
		.flatMap(([key, value]) => describedMaps(path === "" ? key : `${path}.${key}`, value))
		.flatMap((found) => section(found.path, found.map));
	return [`${heading}\n\n${table}\n`, ...inner];
}

function row(key: string, schema: JsonSchema, required: boolean): string {
	const cells = [
		`\`${key}\``,
		typeOf(schema),
		required ? "required" : defaultOf(schema),
		sentence(schema.description ?? ""),
	];
	return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function defaultOf({ default: value }: JsonSchema): string {
	// A map's defaults are those of its keys, in its own table.
	if (value === undefined || JSON.stringify(value) === "{}") return "";
	if (value === "") return '`""`';
	return `\`${asYaml(value)}\``;
}

/** A value as it is written in YAML on one line. */
function asYaml(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(asYaml).join(", ")}]`;
	if (typeof value !== "object" || value === null) return String(value);
	return `{ ${Object.entries(value)
		.map(([key, inner]) => `${key}: ${asYaml(inner)}`)
		.join(", ")} }`;
}

/** With a capital and a full stop, and without accidental Markdown outside of code. */
function sentence(text: string): string {
	const escaped = text
		.split("`")
		.map((part, index) => (index % 2 === 1 ? part : part.replaceAll("*", "\\*").replaceAll("<", "&lt;")))
		.join("`");
	const capital = /^[a-z]+[ ,]/.test(escaped) ? escaped.charAt(0).toUpperCase() + escaped.slice(1) : escaped;
	return capital === "" || capital.endsWith(".") ? capital : `${capital}.`;
}
