/** `clawgate schema`: the JSON Schema of routes.yaml, for editors. */
import { parseArgs } from "node:util";
import { configJsonSchema } from "../config/json-schema.ts";
import { argumentMessage } from "./argument-error.ts";
import type { CommandIo } from "./command.ts";

const HELP = `Usage: clawgate schema

Prints the JSON Schema of routes.yaml. An editor with YAML support takes it by the file's first line:
  # yaml-language-server: $schema=./routes.schema.json
`;

/**
 * Prints the schema on stdout.
 * @returns the exit code: 0, or 2 for wrong arguments
 */
export async function schema(argv: readonly string[], io: Pick<CommandIo, "stdout" | "stderr">): Promise<number> {
	let help: boolean | undefined;
	try {
		({ help } = parseArgs({ args: [...argv], options: { help: { type: "boolean", short: "h" } } }).values);
	} catch (error) {
		io.stderr(`clawgate schema: ${argumentMessage(error, ["help"])}\n`);
		return 2;
	}
	io.stdout(help ? HELP : `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
	return 0;
}
