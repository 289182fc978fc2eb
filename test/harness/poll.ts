/** Waiting for something to become true, instead of sleeping. */

export interface UntilOptions {
	/** Milliseconds; default 5000. */
	timeout?: number;
	/** What is waited for, for the message of the failure. */
	what: string;
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | "">;

/** Calls `predicate` every few milliseconds and resolves with its first truthy value; fails after the timeout. */
export async function until<T>(predicate: () => T | Promise<T>, options: UntilOptions): Promise<Truthy<Awaited<T>>> {
	const timeout = options.timeout ?? 5_000;
	const deadline = performance.now() + timeout;
	for (;;) {
		const value = await predicate();
		if (value) return value as Truthy<Awaited<T>>;
		if (performance.now() > deadline) throw new Error(`waited ${timeout} ms in vain for: ${options.what}`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

/** Resolves with the promise, or fails with a message that says what did not happen. */
export async function within<T>(promise: Promise<T>, options: UntilOptions): Promise<T> {
	const timeout = options.timeout ?? 5_000;
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${timeout} ms in vain for: ${options.what}`)), timeout);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}
