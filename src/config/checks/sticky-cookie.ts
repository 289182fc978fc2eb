/** `sticky.cookie`: cookies that browsers take over HTTPS only, where nothing says that there is HTTPS. */
import { isMap, mapsAt, valuesAt } from "../values-at.ts";
import type { Check } from "./check.ts";

export const stickyCookie: Check = ({ data, source }) => {
	const encrypted = mapsAt(data, "listeners.*.tls").length > 0;
	const proxied = valuesAt(data, "trusted_proxies.*").length > 0;
	if (encrypted || proxied || !isMap(data)) return [];
	return mapsAt(data, "upstreams.*.sticky.cookie").flatMap(({ path, value }) => {
		const key = value.same_site === "none" ? "same_site" : value.partitioned === true ? "partitioned" : undefined;
		if (key === undefined) return [];
		const words =
			"browsers take this cookie over HTTPS only, but no listener has tls and trusted_proxies names no proxy that ends TLS";
		return [source.problem([...path, key], words, { severity: "warning" })];
	});
};
