/** The `workers` key: how many processes serve. */
import { availableParallelism } from "node:os";
import { z } from "zod";

/** Beyond it the supervisor, which accepts for all, is what limits. */
const MOST_WORKERS = 64;
const DEFAULT_WORKERS = 1;

const HINT = `expected auto or a number of processes from 1 to ${MOST_WORKERS}`;

export const workersOption = z
	.union([z.literal("auto"), z.int().min(1).max(MOST_WORKERS)], { error: HINT })
	.prefault(DEFAULT_WORKERS)
	.meta({
		description: `Processes that serve: a number from 1 to ${MOST_WORKERS}, or \`auto\`, one for each core. With 1 there is a single process; with more, a supervisor accepts connections and hands them to the workers in turn. A change from or to 1 needs a restart.`,
	});

/** How many processes serve. `auto` is what this process may use of the machine, {@link MOST_WORKERS} at most. */
export function workerCount(workers: z.output<typeof workersOption>): number {
	return workers === "auto" ? Math.min(availableParallelism(), MOST_WORKERS) : workers;
}
