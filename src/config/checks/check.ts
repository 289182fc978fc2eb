/** What a cross check is. */
import type { ReadContent } from "../files.ts";
import type { Source } from "../parse.ts";
import type { Problem } from "../problem.ts";

/** What a cross check may look at. */
export interface CheckContext {
	/** The file's values before the schema: anything may be missing or have another shape. */
	readonly data: unknown;
	readonly source: Source;
	/** The configuration file's folder, absolute. */
	readonly folder: string;
	/** Gives a file's content, by its absolute path. */
	readonly read: ReadContent;
}

/**
 * Finds mistakes that one option's schema cannot see. It runs on data that may have other mistakes too, so that the
 * operator gets all of them at once; what the schema reports it does not say again.
 */
export type Check = (context: CheckContext) => Problem[];
