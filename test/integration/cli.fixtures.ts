/** Runs a command of the command line in this process, and keeps what it says. */
import { runCommand } from "../../src/cli/index.ts";

export interface Said {
	readonly code: number;
	readonly out: string;
	readonly err: string;
}

export interface CliOptions {
	readonly cwd?: string;
	readonly env?: Readonly<Record<string, string>>;
	/** Both outputs are a terminal. */
	readonly terminal?: boolean;
}

export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<Said> {
	const { cwd = "/", env = {}, terminal = false } = options;
	let out = "";
	let err = "";
	const code = await runCommand(argv, {
		stdout: (text) => {
			out += text;
		},
		stderr: (text) => {
			err += text;
		},
		env,
		cwd,
		...(terminal && { terminal: { stdout: true, stderr: true } }),
	});
	return { code, out, err };
}
