/** A name that a request got wrong. */
import { didYouMean } from "../../config/nearest.ts";
import { ApiError } from "./api-error.ts";

/** More names than this are no help. */
const MAX_LISTED = 10;

/**
 * NOT_FOUND that says which name was meant, or which there are.
 * @param field of the request
 * @param kind what the name is of: `route`, `endpoint in upstream chat`
 */
export function noSuch(field: string, kind: string, name: string, known: readonly string[]): ApiError {
	const meant = didYouMean(name, known);
	const listed = known.length === 0 || known.length > MAX_LISTED ? "" : `; there are ${known.join(", ")}`;
	return new ApiError("NOT_FOUND", `${field}: there is no ${kind} ${JSON.stringify(name)}${meant || listed}`);
}
