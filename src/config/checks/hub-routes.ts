/** Keys of a route that mean nothing where connections end in a hub: there is no backend's socket. */
import { mapsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

const NO_USE = ["rewrite", "request_headers", "http", "retries", "ping"];

export const hubRoutes: Check = ({ data, source }) =>
	mapsAt(data, "routes.*").flatMap(({ path, value }) =>
		value.hub === undefined
			? []
			: NO_USE.filter((key) => value[key] !== undefined).map((key) =>
					source.problem([...path, key], `${key} is about a backend's connection; this route ends in a hub`, {
						onKey: true,
					}),
				),
	);
