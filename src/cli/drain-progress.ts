/** Watches a drain to its end. */
import { setTimeout as wait } from "node:timers/promises";
import type { DrainProgress } from "../gateway/drains.ts";
import { type AdminClient, AdminError } from "./admin-client.ts";
import type { CommandIo } from "./command.ts";
import { age } from "./table.ts";

const LOOK_EVERY_MS = 500;
const BAR_WIDTH = 30;

/**
 * Resolves with the drain when every connection of it has ended. On a terminal a bar moves on stderr; elsewhere there is
 * a line for each tenth.
 */
export async function followDrain(client: AdminClient, started: DrainProgress, io: CommandIo): Promise<DrainProgress> {
	const onTerminal = io.terminal?.stderr === true;
	const beganAt = performance.now();
	let current = started;
	let tenth = -1;
	for (;;) {
		const elapsed = performance.now() - beganAt;
		const now = Math.floor(share(current) * 10);
		if (onTerminal) io.stderr(`\r${bar(current)}  ${age(elapsed)} `);
		else if (now > tenth) io.stderr(`${current.total - current.remaining} of ${current.total} closed\n`);
		tenth = now;
		if (current.state === "done") break;
		await wait(LOOK_EVERY_MS);
		const drains = await drainsOf(client, current, onTerminal ? "\n" : "", io);
		// Ended ones are listed for a while only.
		current = drains.find(({ id }) => id === started.id) ?? { ...current, state: "done", remaining: 0 };
	}
	if (onTerminal) io.stderr("\n");
	return current;
}

/** @throws AdminError with what was seen last, when the gateway does not answer any more */
async function drainsOf(
	client: AdminClient,
	{ total, remaining }: DrainProgress,
	lineEnd: string,
	io: CommandIo,
): Promise<readonly DrainProgress[]> {
	try {
		return (await client.get<{ drains: DrainProgress[] }>("drain")).drains;
	} catch (error) {
		if (!(error instanceof AdminError)) throw error;
		io.stderr(lineEnd);
		const seen = `${total - remaining} of ${total} connections were closed when it answered last`;
		throw new AdminError(`the drain cannot be followed to its end: ${seen}\n${error.message}`);
	}
}

function bar(drain: DrainProgress): string {
	const done = Math.round(share(drain) * BAR_WIDTH);
	const closed = `${drain.total - drain.remaining}/${drain.total}`;
	return `[${"#".repeat(done)}${".".repeat(BAR_WIDTH - done)}] ${closed} closed`;
}

function share({ total, remaining, state }: DrainProgress): number {
	return total === 0 || state === "done" ? 1 : (total - remaining) / total;
}
