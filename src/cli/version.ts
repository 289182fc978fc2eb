/** `clawgate version`: what to write into a bug report. */
import { arch, platform, release } from "node:os";
import { parseArgs } from "node:util";
import { packageVersion } from "../version.ts";
import { argumentMessage } from "./argument-error.ts";
import { type Command, EXIT_USAGE } from "./command.ts";

const HELP = `Usage: clawgate version [--json]
       clawgate --version

Prints the version of Clawgate, of Node.js, and the platform.

  --json      prints JSON
  -h, --help  prints this
`;

const OPTIONS = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;

export const version: Command = async (argv, io) => {
	let values: { json?: boolean | undefined; help?: boolean | undefined };
	try {
		({ values } = parseArgs({ args: argv, options: OPTIONS }));
	} catch (error) {
		io.stderr(`clawgate version: ${argumentMessage(error, Object.keys(OPTIONS))}\n`);
		return EXIT_USAGE;
	}
	if (values.help) {
		io.stdout(HELP);
		return 0;
	}
	const found = { version: packageVersion(), node: process.version, platform: `${platform()} ${release()} ${arch()}` };
	io.stdout(
		values.json
			? `${JSON.stringify(found, null, 2)}\n`
			: `clawgate ${found.version}, Node.js ${found.node}, ${found.platform}\n`,
	);
	return 0;
};
