/**
 * Lines that are no longer than a pipe takes at once. Longer ones, of several processes, could get into each other; what
 * makes them long are texts that clients send.
 */
import type { RequestDetails } from "../gateway/events.ts";
import type { LogEvent, LogFields, LogFormatter } from "./formats/format.ts";

/** How much is left of a text (characters) and of a list (entries), more and more strictly. */
const STEPS = [
	{ text: 1024, entries: 32 },
	{ text: 256, entries: 8 },
	{ text: 24, entries: 2 },
] as const;

type Step = (typeof STEPS)[number];

/**
 * The same format with lines of at most so many bytes: where one would be longer, its long texts and lists are cut and
 * end with `…`.
 */
export function limitLines(format: LogFormatter, limit: number): LogFormatter {
	const fits = (line: string): boolean => line.length * 3 <= limit || Buffer.byteLength(line) <= limit;
	return (event, fields, details) => {
		let line = format(event, fields, details);
		for (const step of STEPS) {
			if (line === undefined || fits(line)) return line;
			line = format(event, shortened(fields, step) as LogFields, shortDetails(details, step));
		}
		return line === undefined || fits(line) ? line : remark(format, event, fits);
	};
}

/** What is said of a line that is too long in spite of all. */
function remark(format: LogFormatter, event: LogEvent, fits: (line: string) => boolean): string | undefined {
	const line = format(event, { message: "the line was too long for a log that several processes write" }, undefined);
	return line !== undefined && fits(line) ? line : undefined;
}

function shortDetails(details: RequestDetails | undefined, step: Step): RequestDetails | undefined {
	if (details === undefined) return undefined;
	return { ...details, referer: shortened(details.referer, step) as string | undefined };
}

function shortened(value: unknown, step: Step): unknown {
	if (typeof value === "string") return value.length > step.text ? `${value.slice(0, step.text)}…` : value;
	if (Array.isArray(value)) {
		const kept = value.slice(0, step.entries).map((entry) => shortened(entry, step));
		return kept.length < value.length ? [...kept, "…"] : kept;
	}
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, shortened(entry, step)]));
}
