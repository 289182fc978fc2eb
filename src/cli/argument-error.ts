/** What `parseArgs` found wrong with a command line, in words of our own where Node's lead astray. */
import { didYouMean } from "../config/nearest.ts";

/** @param options the names that the command has, without dashes */
export function argumentMessage(error: unknown, options: readonly string[]): string {
	const { code, message } = error as NodeJS.ErrnoException;
	const named = /'(--?[^\s']+|[^']*)/.exec(message)?.[1];
	if (named === undefined) return message;
	const word = JSON.stringify(named);
	if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
		const known = options.map((option) => `--${option}`);
		return `there is no option ${word}${named.startsWith("--") ? didYouMean(named, known) : ""}`;
	}
	if (code === "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL") {
		const config = options.includes("config") ? "; -c FILE names the configuration" : "";
		return `it takes no argument ${word}${config}`;
	}
	return message;
}
