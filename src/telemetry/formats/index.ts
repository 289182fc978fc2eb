/** The log formats by their name in `log.format`. A further one is one file and one line here. */
import type { LogFormatter } from "./format.ts";
import { jsonFormatter } from "./json.ts";
import { type TextFormatOptions, textFormatter } from "./text.ts";

export const LOG_FORMATS = {
	json: jsonFormatter,
	text: textFormatter,
} as const satisfies Record<string, (options: TextFormatOptions) => LogFormatter>;

export type LogFormat = keyof typeof LOG_FORMATS;
