/** Flags inside of an expression: `(?i)`, `(?s-x:…)`. */
import { Unreadable } from "./pcre-cursor.ts";

/** Those that have a counterpart: case, dots and newlines, blanks and comments, what is greedy. */
export interface Flags {
	readonly i: boolean;
	readonly s: boolean;
	readonly x: boolean;
	readonly U: boolean;
}

/** Behind the `(`. */
export const FLAG_GROUP = /\?([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])/y;

/**
 * The flags after a {@link FLAG_GROUP}.
 * @param allFolded case is ignored in the whole expression, which cannot be taken back
 * @throws Unreadable for others
 */
export function changedFlags(group: RegExpExecArray, before: Flags, allFolded: boolean): Flags {
	const [, on = "", off = "", end = ""] = group;
	if (/[^isxU]/.test(on + off)) throw new Unreadable(`(?${on}${off && `-${off}`}${end} is not possible`);
	if (allFolded && off.includes("i")) throw new Unreadable("(?-i) is not possible where case is ignored");
	const value = (flag: keyof Flags) => (on.includes(flag) || before[flag]) && !off.includes(flag);
	return { i: value("i"), s: value("s"), x: value("x"), U: value("U") };
}
