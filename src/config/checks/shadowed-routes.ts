/** Routes that can never match, because one before them takes all they could. */
import { formatPath } from "../problem.ts";
import { mapsAt, type RawMap } from "../values-at.ts";
import type { Check } from "./check.ts";
import { covers } from "./cover.ts";

export const shadowedRoutes: Check = ({ data, source }) => {
	const routes = mapsAt(data, "routes.*");
	return routes.flatMap(({ path, value }, index) => {
		const earlier = routes.slice(0, index).find((before) => covers(matchOf(before.value), matchOf(value)));
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
