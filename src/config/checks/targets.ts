/** Upstreams that routes name: each exists, and each is used. */
import { didYouMean } from "../nearest.ts";
import { isMap, mapsAt, textsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

export const targets: Check = ({ data, source }) => {
	if (!isMap(data) || !isMap(data.upstreams)) return [];
	const known = Object.keys(data.upstreams);
	const named = [...textsAt(data, "routes.*.upstream"), ...textsAt(data, "routes.*.split.*.upstream")];
	const dangling = named.filter(({ value }) => !known.includes(value));
	if (dangling.length > 0) {
		return dangling.map(({ path, value }) =>
			source.problem(path, `there is no upstream ${JSON.stringify(value)}${didYouMean(value, known)}`),
		);
	}
	// While a route has yet to say where it goes, nobody knows what is not used.
	const routes = mapsAt(data, "routes.*");
	if (routes.length === 0 || routes.some(({ value }) => value.upstream === undefined && value.split === undefined))
		return [];
	const used = new Set(named.map(({ value }) => value));
	return known
		.filter((name) => !used.has(name))
		.map((name) =>
			source.problem(["upstreams", name], "no route uses this upstream", { onKey: true, severity: "warning" }),
		);
};
