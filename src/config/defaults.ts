/** `defaults`: what every route has unless it says otherwise. */
import { isMap, type RawMap } from "./values-at.ts";

/** The route with the defaults under it: maps are merged key by key, everything else is the route's own. */
export function withDefaults(defaults: unknown, route: unknown): unknown {
	if (defaults === undefined) return route;
	if (route === undefined) return defaults;
	if (!isMap(defaults) || !isMap(route)) return route;
	const merged: Record<string, unknown> = { ...(defaults as RawMap) };
	for (const [key, value] of Object.entries(route)) merged[key] = withDefaults(defaults[key], value);
	return merged;
}
