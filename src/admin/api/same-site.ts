/** Whether a request comes from the admin port's own page, or from no page at all. */
import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";

/**
 * Refuses what a browser sends for a page of another origin. It says so in Sec-Fetch-Site (Fetch Metadata), and older
 * ones in Origin; a program sends neither. Another port of this machine is another origin.
 * @throws ApiError CROSS_SITE
 */
export function refuseOtherSites({ headers }: IncomingMessage): void {
	const site = headers["sec-fetch-site"];
	if (site !== undefined && site !== "same-origin" && site !== "none") throw crossSite();
	const { origin } = headers;
	if (origin !== undefined && hostOf(origin) !== headers.host?.toLowerCase()) throw crossSite();
}

/** Host and port as a Host header has them; undefined for `null` and what is not an origin. */
function hostOf(origin: string): string | undefined {
	return /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1]?.toLowerCase();
}

function crossSite(): ApiError {
	return new ApiError("CROSS_SITE", "requests from pages of other sites are refused");
}
