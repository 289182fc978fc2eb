/** `routes[].split`: shares of one route's connections for several upstreams. */
import { z } from "zod";

const choice = z.strictObject({
	upstream: z.string().min(1).meta({ description: "name of an upstream" }),
	weight: z
		.number()
		.nonnegative()
		.default(1)
		.meta({ description: "share of new connections, in proportion to the others; 0 takes none" }),
});

/** Option schema of `split`. */
export const splitOptions = z
	.array(choice)
	.min(1)
	.refine((choices) => choices.some(({ weight }) => weight > 0), {
		error: "at least one weight must be above 0, otherwise the route takes no connection",
	})
	.meta({ description: "upstreams by weight, instead of upstream" });

export type SplitConfig = z.output<typeof splitOptions>;

/**
 * Compiles a split to a function that gives one of the targets by weight, for a number in [0, 1) or, without one, for a
 * random number.
 * @param random a number in [0, 1), as Math.random gives it
 * @throws RangeError when no weight is above 0: the schema lets none of these through
 */
export function compileSplit<T>(
	choices: readonly { readonly target: T; readonly weight: number }[],
	random: () => number,
): (at?: number) => T {
	const taken = choices.filter(({ weight }) => weight > 0);
	const last = taken.at(-1);
	if (last === undefined) throw new RangeError("a split needs at least one weight above 0");
	if (taken.length === 1) return () => last.target;
	const total = taken.reduce((sum, { weight }) => sum + weight, 0);
	return (at = random()) => {
		let rest = at * total;
		for (const { target, weight } of taken) {
			rest -= weight;
			if (rest < 0) return target;
		}
		// Only rounding can lead here.
		return last.target;
	};
}
