/** What a matcher is: its option keys and how they become a condition. */
import type { z } from "zod";
import type { GatewayRequest } from "../../protocol/request.ts";

/** One compiled condition of a route. */
export interface Condition {
	/** @throws GatewayError when the request is too long to be compared with a pattern */
	test(request: GatewayRequest): boolean;
	/** Why `test` gave false, for the operator: the condition and what it expects. Never a value that may be secret. */
	reason(request: GatewayRequest): string;
}

/** One entry of the registry in `index.ts`. */
export interface Matcher<Shape extends z.ZodRawShape> {
	/** The keys of `match` that it owns. */
	readonly options: Shape;
	/** The condition; undefined when none of its keys is set. */
	compile(config: z.output<z.ZodObject<Shape>>): Condition | undefined;
}
