/**
 * Reads a configuration without keeping the event loop: files by asynchronous calls with a time limit, YAML, schema and
 * checks in a thread of their own, and what comes of it in parts. Ten thousand routes take seconds there.
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type FileContent, type FileContents, readContentLater } from "./files.ts";
import { type Loaded, parseConfig, unreadableConfig } from "./load.ts";
import type { LoadAnswer, LoadQuestion, LoadTask } from "./load-thread.ts";
import { PartedConfig } from "./parts.ts";
import type { Environment } from "./substitute.ts";

/** The file is TypeScript before the build and JavaScript after it. */
const ENTRY = new URL(`./load-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
/** A text of so many bytes takes a few milliseconds, less than a thread takes to start. */
const SMALL_BYTES = 8 * 1024;
/** A configuration that takes longer is given up; ms. */
const LOAD_MS = 120_000;

/**
 * Like `readConfig`, in the background. A pipe is not read.
 * @throws Error when the thread fails or takes too long
 */
export async function readConfigLater(file: string, environment: Environment): Promise<Loaded> {
	const content = await readContentLater(file);
	if (content.trouble !== undefined) return unreadableConfig(file, content.trouble);
	const text = Buffer.from(content.bytes).toString("utf8");
	if (content.bytes.length <= SMALL_BYTES) {
		const parsed = parseConfig(text, file, environment);
		const contents = await readContents(parsed.files);
		return parsed.check((path) => contents.get(path) ?? { trouble: "it was not read" });
	}
	const thread = new LoadThread({ text, file, environment: { ...environment } });
	try {
		return await thread.load();
	} finally {
		thread.end();
	}
}

/** One after the other: see {@link readContentLater}. */
async function readContents(files: readonly string[]): Promise<FileContents> {
	const contents = new Map<string, FileContent>();
	for (const file of files) contents.set(file, await readContentLater(file));
	return contents;
}

class LoadThread {
	readonly #worker: Worker;
	#settle: { resolve: (answer: LoadAnswer) => void; reject: (error: Error) => void } | undefined;
	#failure: Error | undefined;
	readonly #timer: NodeJS.Timeout;

	constructor(task: LoadTask) {
		// What the process was started with (a debugger's port, modules to load first) is not for the thread.
		this.#worker = new Worker(fileURLToPath(ENTRY), { workerData: task, execArgv: [] });
		this.#worker.on("message", (answer: LoadAnswer) => this.#settle?.resolve(answer));
		this.#worker.on("error", (error: Error) => this.#fail(error));
		this.#worker.on("exit", () => this.#fail(new Error("the thread that reads the configuration has ended")));
		this.#timer = setTimeout(() => {
			this.#fail(new Error(`the configuration was not read within ${LOAD_MS / 1000} s`));
		}, LOAD_MS);
		this.#timer.unref();
		this.#worker.unref();
	}

	async load(): Promise<Loaded> {
		const { files } = await this.#ask<{ files: readonly string[] }>(undefined);
		const contents = await readContents(files);
		const { problems, taken } = await this.#ask<{ problems: Loaded["problems"]; taken: boolean }>({ contents });
		if (!taken) return { problems, files, contents };
		const config = new PartedConfig();
		for (;;) {
			// Asked for one at a time: what waits in a port is delivered all at once.
			const { part } = await this.#ask<Extract<LoadAnswer, { part: unknown }>>({ part: true });
			if (part === undefined) return { config: config.whole(), problems, files, contents };
			config.add(part);
		}
	}

	end(): void {
		clearTimeout(this.#timer);
		this.#settle = undefined;
		void this.#worker.terminate();
	}

	#ask<A extends LoadAnswer>(question: LoadQuestion | undefined): Promise<A> {
		return new Promise((resolve, reject) => {
			if (this.#failure) reject(this.#failure);
			this.#settle = { resolve: resolve as (answer: LoadAnswer) => void, reject };
			if (question) this.#worker.postMessage(question);
		});
	}

	#fail(error: Error): void {
		this.#failure ??= error;
		this.#settle?.reject(error);
	}
}
