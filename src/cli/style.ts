/** Colours, on a terminal only. */
import type { CommandIo } from "./command.ts";

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

export type Colour = keyof typeof CODES;

/** Gives text a colour when the output is a terminal that wants colours; otherwise gives it back as it is. */
export function painter({ terminal, env }: Pick<CommandIo, "terminal" | "env">) {
	const colours = terminal?.stdout === true && !env.NO_COLOR && env.TERM !== "dumb";
	return (colour: Colour | undefined, text: string): string =>
		colours && colour !== undefined && text !== "" ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
