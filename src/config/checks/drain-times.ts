/** `drain`: a spread that is longer than the timeout would cut off the last connections before their turn. */
import { parseDuration } from "../../options.ts";
import { mapsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

const PLACES = ["shutdown.drain", "defaults.drain", "routes.*.drain"];

export const drainTimes: Check = ({ data, source }) =>
	PLACES.flatMap((place) => mapsAt(data, place)).flatMap(({ path, value }) => {
		const { timeout, spread } = value;
		if (typeof timeout !== "string" || typeof spread !== "string") return [];
		const [end, window] = [parseDuration(timeout), parseDuration(spread)];
		if (end === undefined || window === undefined || !Number.isFinite(window) || window <= end) return [];
		return [source.problem([...path, "spread"], `spread (${spread}) cannot be longer than timeout (${timeout})`)];
	});
