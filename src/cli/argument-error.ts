/** What `parseArgs` found wrong with a command line, in words of our own where Node's lead astray. */
import { didYouMean } from "../config/nearest.ts";

/** @param options the names that the command has, without dashes */
export function argumentMessage(error: unknown, options: Iterable<string>): string {
	const { code, message } = error as NodeJS.ErrnoException;
	const name = /'(--?[^\s']+)/.exec(message)?.[1];
	if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || name === undefined) return message;
	const known = Array.from(options, (option) => `--${option}`);
	return `there is no option ${JSON.stringify(name)}${name.startsWith("--") ? didYouMean(name, known) : ""}`;
}
