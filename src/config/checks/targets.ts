/** Upstreams and hubs that routes name: each exists, and each is used. */
import { didYouMean } from "../nearest.ts";
import { isMap, mapsAt, textsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

/** What may be named, and where routes name it. */
const KINDS = [
	{ kind: "upstream", section: "upstreams", places: ["routes.*.upstream", "routes.*.split.*.upstream"] },
	{ kind: "hub", section: "hubs", places: ["routes.*.hub", "routes.*.hub.name"] },
] as const;

/** What a route may lead to. */
const TARGETS = ["upstream", "split", "hub"];

export const targets: Check = ({ data, source }) => {
	if (!isMap(data)) return [];
	const routes = mapsAt(data, "routes.*");
	// While a route has yet to say where it goes, nobody knows what is not used.
	const complete = routes.length > 0 && routes.every(({ value }) => TARGETS.some((key) => value[key] !== undefined));
	return KINDS.flatMap(({ kind, section, places }) => {
		const known = isMap(data[section]) ? Object.keys(data[section]) : [];
		const named = places.flatMap((place) => textsAt(data, place));
		const dangling = named.filter(({ value }) => !known.includes(value));
		if (dangling.length > 0) {
			return dangling.map(({ path, value }) =>
				source.problem(path, `there is no ${kind} ${JSON.stringify(value)}${didYouMean(value, known)}`),
			);
		}
		if (!complete) return [];
		const used = new Set(named.map(({ value }) => value));
		return known
			.filter((name) => !used.has(name))
			.map((name) =>
				source.problem([section, name], `no route uses this ${kind}`, { onKey: true, severity: "warning" }),
			);
	});
};
