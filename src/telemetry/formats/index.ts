/** The log formats by their name in `log.format`. A further one is one file and one line here. */
import type { LogFormatter } from "./format.ts";
import { jsonFormatter } from "./json.ts";
import { nginxFormatter } from "./nginx.ts";
import { templateFormatter } from "./template.ts";
import { type TextFormatOptions, textFormatter } from "./text.ts";

export const LOG_FORMATS = {
	json: jsonFormatter,
	text: textFormatter,
	nginx: nginxFormatter,
} as const satisfies Record<string, (options: TextFormatOptions) => LogFormatter>;

export type LogFormat = keyof typeof LOG_FORMATS;

/** Which format: `log.template` when there is one, else `log.format`. */
export interface FormatSettings {
	readonly format: LogFormat;
	readonly template?: string | undefined;
}

/** @throws Error for a template that is not valid */
export function createFormatter({ format, template }: FormatSettings, options: TextFormatOptions): LogFormatter {
	return template === undefined ? LOG_FORMATS[format](options) : templateFormatter(template);
}
