/** `match.path_regex`: a pattern for something that a path never holds when it is compared. */
import { decodedForMatching } from "../../protocol/target.ts";
import { textsAt } from "../values-at.ts";
import type { Check } from "./check.ts";

export const pathPatterns: Check = ({ data, source }) =>
	[...textsAt(data, "routes.*.match.path_regex"), ...textsAt(data, "routes.*.match.path_regex.*")].flatMap(
		({ path, value }) => {
			const encoded = value.match(/%[0-9a-f]{2}/gi)?.find((text) => decodedForMatching(text) !== undefined);
			if (encoded === undefined) return [];
			const message = `${encoded} never matches: paths are decoded before they are compared; write ${decodedForMatching(encoded)}`;
			return [source.problem(path, message, { severity: "warning" })];
		},
	);
