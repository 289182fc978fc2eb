/** `clawgate import nginx FILE`: a routes.yaml from an nginx configuration. */
import { parseArgs } from "node:util";
import { loadConfig } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { formatNotes, type Imported, importNginx, NginxSyntaxError, summarise } from "../import/nginx/index.ts";
import { argumentMessage } from "./argument-error.ts";
import { type Command, EXIT_USAGE } from "./command.ts";

const EXIT_NOTHING_USABLE = 1;

const HELP = `Usage: clawgate import nginx [--listen ADDRESS] FILE

  FILE              nginx.conf, a file of sites-enabled, or a file with the output of "nginx -T"
  --listen ADDRESS  a port or address:port; for configurations whose addresses lead to different backends

Prints a routes.yaml on stdout, and on stderr each thing that could not be carried over or is not quite the same,
as FILE:LINE: DIRECTIVE: what it is and what to do; at the end how many there are by severity. Exit 0; 1 when nothing of it can be used.

  clawgate import nginx /etc/nginx/nginx.conf > routes.yaml && clawgate check
`;

export const importConfig: Command = async (argv, io) => {
	let values: { listen?: string | undefined; help?: boolean | undefined };
	let positionals: string[];
	try {
		({ values, positionals } = parseArgs({
			args: argv,
			options: { listen: { type: "string" }, help: { type: "boolean", short: "h" } },
			allowPositionals: true,
		}));
	} catch (error) {
		io.stderr(`clawgate import: ${argumentMessage(error, ["listen", "help"])}\n`);
		return EXIT_USAGE;
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	const [format, file, ...more] = positionals;
	if (format !== "nginx" || file === undefined || more.length > 0) {
		io.stderr(
			format !== undefined && format !== "nginx"
				? `clawgate import: only nginx can be imported, not ${JSON.stringify(format)}\n\n${HELP}`
				: HELP,
		);
		return EXIT_USAGE;
	}
	let imported: Imported;
	try {
		imported = importNginx(file, io.cwd, { listen: values.listen });
	} catch (error) {
		if (!(error instanceof NginxSyntaxError)) throw error;
		io.stderr(`${error.place.file}:${error.place.line}: ${error.message}\n`);
		return EXIT_NOTHING_USABLE;
	}
	const { text, notes } = imported;
	for (const line of formatNotes(notes)) io.stderr(`${line}\n`);
	if (text === undefined) {
		const where = values.listen === undefined ? "" : ` on ${values.listen}`;
		io.stderr(`${file}: nothing can be used: no location${where} has a proxy_pass that goes to a backend\n`);
		return EXIT_NOTHING_USABLE;
	}
	// What the result still lacks on this machine: files that are somewhere else.
	for (const problem of loadConfig(text, `${io.cwd}/routes.yaml`, io.env).problems) {
		// A file that cannot be read was noted with its place in the nginx configuration.
		if (notes.some(({ message }) => problem.message.includes(message.split(" here (")[0] as string))) continue;
		io.stderr(`${formatProblem({ ...problem, file: "routes.yaml" })}\n`);
	}
	for (const line of summarise(notes)) io.stderr(`${line}\n`);
	io.stdout(text);
	return 0;
};
