/** Routes that can never match, because one before them takes all they could. */
import { formatPath } from "../problem.ts";
import { mapsAt, type RawMap } from "../values-at.ts";
import type { Check } from "./check.ts";
import { covers } from "./cover.ts";
import { ShadowIndex } from "./shadow-index.ts";

export const shadowedRoutes: Check = ({ data, source }) => {
	const routes = mapsAt(data, "routes.*");
	const index = new ShadowIndex();
	return routes.flatMap(({ path, value }, place) => {
		const match = matchOf(value);
		const earlier = index
			.candidates(match)
			.map((candidate) => routes[candidate] as (typeof routes)[number])
			.find((before) => covers(matchOf(before.value), match));
		index.add(match, place);
		if (!earlier) return [];
		const name = typeof earlier.value.name === "string" ? ` (${earlier.value.name})` : "";
		return [
			source.problem(
				path,
				`can never match: ${formatPath(earlier.path)}${name} comes first and takes everything it could; put this route before it`,
				{
					severity: "warning",
				},
			),
		];
	});
};

function matchOf(route: RawMap): unknown {
	return "match" in route ? route.match : {};
}
