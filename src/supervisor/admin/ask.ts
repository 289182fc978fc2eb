/** Asking all workers at once; one that dies or hangs meanwhile is left out and named. */
import type { Answer, Call } from "../../admin/api/operation.ts";
import type { WorkerHandle } from "../contract.ts";

/** Whoever waits for an answer about now would rather have it without one worker than late, ms. */
const READ_MS = 2_000;
/** A worker that hangs makes a change when it goes on; whoever asked for it is told sooner, ms. */
export const CHANGE_MS = 5_000;

/** What the workers answered. */
export interface Parts<T> {
	readonly parts: readonly { readonly worker: WorkerHandle; readonly body: T }[];
	/** For the answer to whoever asked; empty when every worker that lives answered. */
	readonly missing: { readonly missing_workers?: readonly number[] };
}

/** Puts a question to each of them. */
export async function askEach<T>(
	workers: readonly WorkerHandle[],
	ask: (worker: WorkerHandle) => Promise<T>,
): Promise<Parts<T>> {
	const answers = await Promise.allSettled(workers.map((worker) => askUnlessStuck(worker, ask)));
	const parts: { worker: WorkerHandle; body: T }[] = [];
	const missing: number[] = [];
	for (const [index, answer] of answers.entries()) {
		const worker = workers[index] as WorkerHandle;
		if (answer.status === "fulfilled") parts.push({ worker, body: answer.value });
		// One that has ended is not missing: what it had is gone.
		else if (worker.channel.open) missing.push(worker.number);
	}
	return { parts, missing: missing.length > 0 ? { missing_workers: missing.sort((a, b) => a - b) } : {} };
}

/** One that is stuck makes the change when it goes on; nobody waits for that. */
async function askUnlessStuck<T>(worker: WorkerHandle, ask: (worker: WorkerHandle) => Promise<T>): Promise<T> {
	const answer = ask(worker);
	if (!worker.stuck) return answer;
	answer.catch(() => undefined);
	throw new Error(`worker ${worker.number} does not answer`);
}

/** Has each of them do an operation of the API; an answer that is an error counts as none. */
export async function askApi<T>(
	workers: readonly WorkerHandle[],
	operation: string,
	call: Call<unknown, unknown>,
): Promise<Parts<T>> {
	return askEach(workers, async (worker) => {
		const { status, body } = await apiCall(worker, operation, call);
		if (status >= 400) throw new Error(`${operation}: worker ${worker.number} answered ${status}`);
		return body as T;
	});
}

/** Has one of them do an operation of the API. */
export function apiCall(
	{ channel }: WorkerHandle,
	operation: string,
	{ params, query, body }: Call<unknown, unknown>,
): Promise<Answer> {
	const timeout = operation.startsWith("GET ") ? READ_MS : CHANGE_MS;
	return channel.call("api", { operation, params, query, body }, timeout);
}
