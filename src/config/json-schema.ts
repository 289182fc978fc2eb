/** The JSON Schema of routes.yaml: for editors, and what the reference in docs/ is made from. */
import { z } from "zod";
import { configSchema } from "./schema.ts";

/** A JSON Schema node (draft 2020-12). */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The schema of what an operator writes, before defaults. */
export function configJsonSchema(): JsonSchema {
	const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: "input" });
	return {
		...($schema === undefined ? {} : { $schema }),
		title: "Clawgate configuration (routes.yaml)",
		description: "Listeners, upstreams and routes of a Clawgate gateway.",
		...schema,
	};
}
