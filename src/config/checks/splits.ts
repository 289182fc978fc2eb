/** `split`: clients stay at their upstream, and nothing is written that has no effect. */
import type { Problem } from "../problem.ts";
import { isMap, mapsAt, type RawMap } from "../values-at.ts";
import type { Check } from "./check.ts";

export const splits: Check = ({ data, source }) => {
	const upstreams = isMap(data) && isMap(data.upstreams) ? data.upstreams : {};
	const defaults = isMap(data) && isMap(data.defaults) ? data.defaults : {};
	return mapsAt(data, "routes.*").flatMap(({ path, value: route }): Problem[] => {
		if (!Array.isArray(route.split)) {
			if (route.split_cookie === undefined) return [];
			return [source.problem([...path, "split_cookie"], "is no use without split", { onKey: true })];
		}
		const sides = route.split.filter(isMap).filter(({ weight }) => weight !== 0);
		const named = sides.map(({ upstream }) => upstreams[String(upstream)]);
		if (sides.length < 2 || route.split_cookie !== undefined || (route.http ?? defaults.http) === "reject") return [];
		if (named.some((upstream) => isMap(upstream) && hashes(upstream))) return [];
		const loose = sides.filter((_, index) => !isMap(named[index]) || named[index].sticky === undefined);
		if (loose.length === 0) return [];
		const names = loose.map(({ upstream }) => String(upstream)).join(", ");
		const message = `a client is drawn anew with each request, which breaks Socket.IO polling and sign-in pages: set sticky for ${names}, or split_cookie: {} here`;
		return [source.problem([...path, "split"], message, { onKey: true, severity: "warning" })];
	});
};

function hashes({ load_balancing }: RawMap): boolean {
	return isMap(load_balancing) && load_balancing.policy === "consistent_hash";
}
