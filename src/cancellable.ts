/** A start that can be given up half-way. */

/** Somebody asked the process to stop while it was still starting. */
export class StartCancelled extends Error {
	override readonly name = "StartCancelled";
}

/**
 * Waits for a step, but not longer than until the signal is aborted.
 * @throws StartCancelled then; what the step does is not stopped by that
 */
export async function unlessCancelled<T>(step: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (signal === undefined) return step;
	let cancel = (): void => undefined;
	const cancelled = new Promise<never>((_, reject) => {
		cancel = () => reject(new StartCancelled("the gateway was asked to stop while it started"));
	});
	if (signal.aborted) cancel();
	else signal.addEventListener("abort", cancel);
	try {
		return await Promise.race([step, cancelled]);
	} finally {
		signal.removeEventListener("abort", cancel);
	}
}
