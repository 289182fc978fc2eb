/** Endpoints of an upstream: at least one unless they are discovered, none twice. */
import { parseEndpointUrl } from "../../upstreams/endpoint.ts";
import { nearest } from "../nearest.ts";
import { isMap, mapsAt, type RawMap, valuesAt } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

export const endpoints: Check = (context) =>
	mapsAt(context.data, "upstreams.*").flatMap(({ path, value }) => {
		if (isEmpty(value)) return [context.source.problem([...path, "endpoints"], "the upstream has no endpoints")];
		return duplicates(context, String(path[1]), value);
	});

function isEmpty(upstream: RawMap): boolean {
	if (upstream.discovery !== undefined) return false;
	if (Array.isArray(upstream.endpoints)) return upstream.endpoints.length === 0;
	// A mistyped key is reported as unknown already.
	return (
		upstream.endpoints === undefined && !Object.keys(upstream).some((key) => nearest(key, ["endpoints", "discovery"]))
	);
}

function duplicates({ source }: CheckContext, name: string, upstream: RawMap) {
	const seen = new Map<string, number>();
	return valuesAt(upstream, "endpoints.*").flatMap(({ path, value }, index) => {
		const url = isMap(value) ? value.url : value;
		const address = typeof url === "string" ? parseEndpointUrl(url) : undefined;
		if (!address) return [];
		const id = address.socketPath ?? `${address.host}:${address.port}`;
		const first = seen.get(id);
		if (first === undefined) {
			seen.set(id, index);
			return [];
		}
		const at = ["upstreams", name, ...path, ...(isMap(value) ? ["url"] : [])];
		return [source.problem(at, `${id} is endpoints[${first}] already; use weight to send it more`)];
	});
}
