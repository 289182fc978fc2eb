/** What every command is given and gives back. */

import type { RunSignals } from "./signals.ts";

/** What a command may touch besides its own work. */
export interface CommandIo {
	stdout(text: string): void;
	stderr(text: string): void;
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly cwd: string;
	/** Of `run`: what was sent to the process since its start. */
	readonly signals?: RunSignals | undefined;
	/** Which outputs are a terminal, where somebody looks on; absent = none. */
	readonly terminal?: { readonly stdout: boolean; readonly stderr: boolean };
}

/** Takes the arguments after its name; resolves with the exit code. */
export type Command = (argv: string[], io: CommandIo) => Promise<number>;

/** Bad arguments. */
export const EXIT_USAGE = 2;
