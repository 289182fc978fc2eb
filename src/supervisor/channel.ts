/**
 * The pipe between the supervisor and one worker: calls that are answered, and notes that are not.
 * What is sent in one turn of the event loop goes out as one message, so that a burst of handshakes costs few writes.
 */

/** The ends of a pipe have this in common: `process` in a worker, a `ChildProcess` in the supervisor. */
export interface Port {
	send(message: unknown, onSent?: (error: Error | null) => void): boolean;
	on(event: "message", listener: (message: unknown) => void): unknown;
	on(event: "disconnect", listener: () => void): unknown;
}

/** What can be asked of one end: by name, a function from what is sent to what is answered. */
export type Contract = { readonly [name: string]: (sent: never) => unknown };

type Sent<C extends Contract, N extends keyof C> = Parameters<C[N]>[0];
type Answered<C extends Contract, N extends keyof C> = Awaited<ReturnType<C[N]>>;
type Handler = (sent: never) => unknown;

/** One thing in a message. `id` is absent in a note; an answer has `ok` and no name. */
interface Envelope {
	readonly id?: number;
	readonly name?: string;
	readonly ok?: boolean;
	readonly body?: unknown;
}

interface Waiting {
	readonly resolve: (answer: never) => void;
	readonly reject: (error: Error) => void;
	readonly timer: NodeJS.Timeout;
}

/** An answer takes longer than this only when the other process hangs. */
const ANSWER_MS = 10_000;

/** The other end is gone, hangs, or could not do what it was asked. */
export class ChannelError extends Error {
	override readonly name = "ChannelError";
}

/** @typeParam Theirs what the other end can be asked; @typeParam Ours what it may ask here */
export class Channel<Theirs extends Contract, Ours extends Contract> {
	readonly #port: Port;
	readonly #handlers = new Map<string, Handler>();
	readonly #waiting = new Map<number, Waiting>();
	#outgoing: Envelope[] = [];
	#lastId = 0;
	#open = true;

	constructor(port: Port) {
		this.#port = port;
		port.on("message", (message) => this.#receive(message));
		port.on("disconnect", () => this.close());
	}

	get open(): boolean {
		return this.#open;
	}

	/** Who does what the other end asks under this name. It may throw, or return a promise: the asker is told. */
	handle<N extends keyof Ours & string>(
		name: N,
		handler: (sent: Sent<Ours, N>) => Answered<Ours, N> | Promise<Answered<Ours, N>>,
	): void {
		this.#handlers.set(name, handler as Handler);
	}

	/**
	 * Asks and waits for the answer.
	 * @param timeout ms
	 * @param late is given an answer that comes after that, to give back what it grants
	 * @throws ChannelError when the other end is gone, does not answer in time, or fails
	 */
	call<N extends keyof Theirs & string>(
		name: N,
		body: Sent<Theirs, N>,
		timeout: number = ANSWER_MS,
		late?: (answer: Answered<Theirs, N>) => void,
	): Promise<Answered<Theirs, N>> {
		if (!this.#open) return Promise.reject(new ChannelError(`${name}: the other process is gone`));
		const id = ++this.#lastId;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => {
				if (late === undefined) this.#waiting.delete(id);
				else this.#waiting.set(id, { resolve: late, reject: () => {}, timer });
				reject(new ChannelError(`${name}: no answer from the other process in ${timeout} ms`));
			}, timeout);
			this.#waiting.set(id, { resolve, reject, timer });
			this.#send({ id, name, body });
		});
	}

	/** Tells something that is not answered. Without the other end nothing happens. */
	tell<N extends keyof Theirs & string>(name: N, body: Sent<Theirs, N>): void {
		if (this.#open) this.#send({ name, body });
	}

	/** Sends what was told in this turn of the event loop now, where something else must not overtake it. */
	flush(): void {
		const envelopes = this.#outgoing;
		if (envelopes.length === 0) return;
		this.#outgoing = [];
		// A failed send is followed by `disconnect`, which ends every wait.
		if (this.#open) this.#port.send({ clawgate: envelopes }, () => {});
	}

	#send(envelope: Envelope): void {
		if (this.#outgoing.push(envelope) > 1) return;
		// After the present callbacks and promises: what they send still goes along.
		setImmediate(() => this.flush());
	}

	#receive(message: unknown): void {
		const envelopes = (message as { clawgate?: readonly Envelope[] } | null)?.clawgate;
		if (envelopes === undefined) return;
		for (const envelope of envelopes) {
			if (envelope.name === undefined) this.#answered(envelope);
			else this.#asked(envelope.name, envelope);
		}
	}

	#asked(name: string, { id, body }: Envelope): void {
		const handler = this.#handlers.get(name);
		const failed = (error: unknown): void => {
			const message = error instanceof Error ? error.message : String(error);
			// A note has no asker: whoever handles it must not fail.
			if (id === undefined) process.emitWarning(`${name}: ${message}`);
			else this.#send({ id, ok: false, body: message });
		};
		if (handler === undefined) {
			failed(new Error("nobody does this here"));
			return;
		}
		const done = (answer: unknown): void => {
			if (id !== undefined) this.#send({ id, ok: true, body: answer });
		};
		try {
			const answer = handler(body as never);
			if (answer instanceof Promise) answer.then(done, failed);
			else done(answer);
		} catch (error) {
			failed(error);
		}
	}

	#answered({ id, ok, body }: Envelope): void {
		const waiting = this.#waiting.get(id as number);
		// It came after its time.
		if (waiting === undefined) return;
		this.#waiting.delete(id as number);
		clearTimeout(waiting.timer);
		if (ok) waiting.resolve(body as never);
		else waiting.reject(new ChannelError(String(body)));
	}

	/** Nothing comes any more: every wait ends. For an end that learns of it in another way than by `disconnect`. */
	close(): void {
		this.#open = false;
		this.#outgoing = [];
		for (const { reject, timer } of this.#waiting.values()) {
			clearTimeout(timer);
			reject(new ChannelError("the other process is gone"));
		}
		this.#waiting.clear();
	}
}
