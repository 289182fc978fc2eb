/** The `log` section. */
import { z } from "zod";
import { parseLogTemplate } from "./log-template.ts";

const template = z.string().superRefine((text, context) => {
	for (const message of parseLogTemplate(text).mistakes) context.addIssue({ code: "custom", message, input: text });
});

export const logOptions = z.strictObject({
	level: z
		.enum(["debug", "info", "warn", "error"])
		.prefault("info")
		.meta({ description: "The least serious line that is written." }),
	format: z.enum(["json", "text", "nginx"]).prefault("json").meta({
		description:
			"`json`: one object a line; `text`: for reading in a terminal; `nginx`: nginx's combined line for each connection and request that ended.",
	}),
	template: template.optional().meta({
		description:
			"Instead of `format`: the line for each connection and request that ended, with the variables of docs/observability.md: `'$client_ip $host $close_code'`.",
	}),
});
