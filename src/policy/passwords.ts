/**
 * Password hashes: bcrypt and argon2, which are made to be slow, and those that htpasswd makes by default (MD5) or with -s
 * (SHA-1). Checked on a thread of their own, and remembered for a while.
 */
import { createHmac, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { LRUCache } from "lru-cache";
import { GatewayError } from "../errors.ts";
import { PASSWORD_WORKER } from "./password-worker.ts";

/** Verifications waiting at once; at 60 ms each more would not be answered in time anyway. */
const MAX_WAITING = 128;
const REMEMBERED = 10_000;
const REMEMBER_MS = 5 * 60_000;
/** All that bcrypt looks at. */
const BCRYPT_BYTES = 72;

interface Answer {
	readonly id: number;
	readonly matches?: boolean;
	readonly trouble?: string;
}

interface Waiting {
	readonly resolve: (matches: boolean) => void;
	readonly reject: (error: GatewayError) => void;
}

/** Whether a hash is of a kind that {@link PasswordVerifier} checks. */
export function isPasswordHash(hash: string): boolean {
	return (
		/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash) ||
		/^\$argon2(?:id|i|d)\$v=19\$m=\d+,t=\d+,p=\d+\$[+/\w]+\$[+/\w]+$/.test(hash) ||
		/^\$(?:apr1|1)\$[^$]{0,8}\$[./A-Za-z0-9]{22}$/.test(hash) ||
		/^\{SHA\}[+/A-Za-z0-9]{27}=$/.test(hash) ||
		/^\{SSHA\}[+/A-Za-z0-9]{28,86}={0,2}$/.test(hash)
	);
}

/** A hash of the same kind and cost as another one, with a random end that no password is known for. */
export function hashOfNothing(hash: string): string {
	// bcrypt: 22 characters of salt and 31 of hash. Hexadecimal digits are in the alphabet of every kind.
	const digest = hash.startsWith("$2") ? 31 : hash.length - hash.lastIndexOf("$") - 1;
	return hash.slice(0, -digest) + randomBytes(digest).toString("hex").slice(0, digest);
}

/** One for each process; the thread is there from the first password on. */
export class PasswordVerifier {
	/** Right passwords only: wrong ones cannot push them out. */
	readonly #known = new LRUCache<string, true>({ max: REMEMBERED, ttl: REMEMBER_MS });
	readonly #underWay = new Map<string, Promise<boolean>>();
	readonly #waiting = new Map<number, Waiting>();
	readonly #key = randomBytes(32);
	#worker: Worker | undefined;
	#nextId = 0;

	/**
	 * Whether a password is the one that a hash was made from; at once when it was right a short while ago.
	 * @throws GatewayError AUTH_OVERLOADED when too many are waiting
	 */
	verify(password: string, hash: string): true | Promise<boolean> {
		const id = createHmac("sha256", this.#key).update(hash).update("\0").update(password).digest("base64");
		if (this.#known.has(id)) return true;
		let result = this.#underWay.get(id);
		if (result === undefined) {
			if (this.#waiting.size >= MAX_WAITING) throw new GatewayError("AUTH_OVERLOADED", undefined, { retryAfter: 5 });
			result = this.#ask(password, hash)
				.then((matches) => {
					if (matches) this.#known.set(id, true);
					return matches;
				})
				.finally(() => this.#underWay.delete(id));
			this.#underWay.set(id, result);
		}
		return result;
	}

	/** Ends the thread; what waits for it fails. */
	async close(): Promise<void> {
		const worker = this.#worker;
		this.#lost(worker, "the gateway stops");
		await worker?.terminate();
	}

	#ask(password: string, hash: string): Promise<boolean> {
		const bytes = Buffer.from(password, "utf8");
		const id = this.#nextId++;
		const worker = this.#started();
		return new Promise((resolve, reject) => {
			this.#waiting.set(id, { resolve, reject });
			// A command that only waits for this answer must not end before it.
			worker.ref();
			worker.postMessage({
				id,
				hash,
				password: Uint8Array.from(hash.startsWith("$2") ? bytes.subarray(0, BCRYPT_BYTES) : bytes),
			});
		});
	}

	#started(): Worker {
		if (this.#worker) return this.#worker;
		const module = createRequire(import.meta.url).resolve("hash-wasm");
		const worker = new Worker(PASSWORD_WORKER, { eval: true, workerData: module });
		worker.on("message", ({ id, matches, trouble }: Answer) => {
			const waiting = this.#waiting.get(id);
			this.#waiting.delete(id);
			if (this.#waiting.size === 0) worker.unref();
			if (matches === undefined)
				waiting?.reject(new GatewayError("INTERNAL", `a password hash cannot be checked: ${trouble}`));
			else waiting?.resolve(matches);
		});
		worker.on("error", (error) => this.#lost(worker, error.message));
		worker.on("exit", () => this.#lost(worker, "its thread has ended"));
		this.#worker = worker;
		return worker;
	}

	/** The next password starts a new thread. */
	#lost(worker: Worker | undefined, why: string): void {
		if (worker === undefined || this.#worker !== worker) return;
		this.#worker = undefined;
		for (const { reject } of this.#waiting.values())
			reject(new GatewayError("INTERNAL", `a password was not checked: ${why}`));
		this.#waiting.clear();
	}
}
