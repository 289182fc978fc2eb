/** Asks the system for a name's addresses, as every client on this machine does: hosts file, mDNS, name servers. */
import { execFile } from "node:child_process";

export interface Address {
	readonly address: string;
	readonly family: 4 | 6;
}

export interface LookedUp {
	/** In the order in which clients try them. */
	readonly addresses: readonly Address[];
	/** `ENOTFOUND`, `EAI_AGAIN` …; undefined when there are addresses, or no answer came in time. */
	readonly error: string | undefined;
	readonly timedOut: boolean;
	/** Milliseconds that the resolver took, as far as that is known. */
	readonly ms?: number;
}

/** Resolves always, and after `timeout` milliseconds at the latest. */
export type Lookup = (host: string, family: 0 | 4 | 6, timeout: number) => Promise<LookedUp>;

const SCRIPT = `const started = performance.now();
require("node:dns").lookup(process.argv[1], { all: true, family: Number(process.argv[2]) }, (error, addresses) => {
	const ms = performance.now() - started;
	process.stdout.write(JSON.stringify(error ? { ms, error: error.code } : { ms, addresses }));
})`;

/**
 * A look-up in a process of its own: one that the system's resolver keeps waiting cannot be given up, and would keep this
 * process from ending for as long.
 */
export const systemLookup: Lookup = (host, family, timeout) =>
	new Promise((resolve) => {
		const none = { addresses: [], error: undefined, timedOut: false };
		execFile(
			process.execPath,
			["-e", SCRIPT, "--", host, String(family)],
			{ timeout, killSignal: "SIGKILL", maxBuffer: 1024 * 1024 },
			(error, stdout) => {
				if (error !== null) {
					const failed = error.code === undefined ? "lookup failed" : `lookup failed (${error.code})`;
					resolve({ ...none, ...(error.killed ? { timedOut: true } : { error: failed }) });
				} else resolve({ ...none, ...(JSON.parse(stdout) as Partial<LookedUp>) });
			},
		);
	});
