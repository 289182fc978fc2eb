/** `log.template`: a line of the operator's own for each connection and request that ended. */
import { parseLogTemplate } from "../../config/log-template.ts";
import type { LogFormatter } from "./format.ts";
import { errorLine } from "./nginx-error.ts";
import { READERS, type VariableContext } from "./template-variables.ts";

/** The events that a template writes a line for: those with which something ended. */
const ENDS: ReadonlySet<string> = new Set(["ws.close", "ws.reject", "http.request"]);

/**
 * Compiles a checked template. An opening has no line of its own; what else happens (`config.reload`, `endpoint.down` …)
 * is written as nginx writes its error log, so that it cannot be taken for a connection.
 * @throws Error for a template that the configuration's check would refuse
 */
export function templateFormatter(template: string): LogFormatter {
	const { parts, mistakes } = parseLogTemplate(template);
	if (mistakes.length > 0) throw new Error(`log.template: ${mistakes[0]}`);
	const pieces = parts.map((part) => (typeof part === "string" ? part : READERS[part.variable]));
	return (event, fields, details) => {
		if (event.name === "ws.open") return undefined;
		if (!ENDS.has(event.name)) return errorLine(event, fields);
		const context: VariableContext = { event, fields, details };
		let line = "";
		for (const piece of pieces) line += typeof piece === "string" ? piece : piece(context);
		return line;
	};
}
