/** The line of a mistake in the gateway itself. */
import type { GatewayEvents } from "./events.ts";

/** The event's name: metrics count it. */
export const INTERNAL_ERROR = "internal.error";

/** Leaves the line, with the stack. @param fields whose connection it was, or where it happened */
export function tellInternalError(
	events: Pick<GatewayEvents, "notice">,
	error: unknown,
	fields: Record<string, unknown> = {},
): void {
	const known = error instanceof Error;
	// What the edge has wrapped says where it comes from.
	const origin = known && error.cause instanceof Error ? error.cause : error;
	events.notice("error", INTERNAL_ERROR, {
		...fields,
		message: known ? error.message : String(error),
		stack: origin instanceof Error ? origin.stack : undefined,
	});
}
