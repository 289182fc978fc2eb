/** The thread that reads a configuration: see {@link file://./load-later.ts}. */
import { parentPort, workerData } from "node:worker_threads";
import type { FileContents } from "./files.ts";
import { type Loaded, type Parsed, parseConfig } from "./load.ts";
import { type ConfigPart, configParts } from "./parts.ts";
import type { Environment } from "./substitute.ts";

/** What the thread is given when it is made. */
export interface LoadTask {
	readonly text: string;
	readonly file: string;
	readonly environment: Environment;
}

/** What it is asked for, one after the other: checks with these contents, then part after part. */
export type LoadQuestion = { readonly contents: FileContents } | { readonly part: true };

/** What it says: the files it needs, then the problems, then each part of the configuration, `done` after the last one. */
export type LoadAnswer =
	| { readonly files: readonly string[] }
	| { readonly problems: Loaded["problems"]; readonly taken: boolean }
	| { readonly part: ConfigPart | undefined };

const port = parentPort;
if (port === null) throw new Error("this is the entry of a thread");

const { text, file, environment } = workerData as LoadTask;
const answer = (said: LoadAnswer): void => port.postMessage(said);
const parsed: Parsed = parseConfig(text, file, environment);
let parts: Iterator<ConfigPart> | undefined;

port.on("message", (question: LoadQuestion) => {
	if ("contents" in question) {
		const { contents } = question;
		// Every file that checks ask for is one that the configuration names.
		const { config, problems } = parsed.check((path) => contents.get(path) ?? { trouble: "it was not read" });
		parts = config && configParts(config);
		answer({ problems, taken: config !== undefined });
	} else answer({ part: parts?.next().value });
});
answer({ files: parsed.files });
