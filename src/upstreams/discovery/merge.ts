/** Joins what discovery found with what the operator wrote. */
import { type EndpointConfig, endpointId, parseEndpointUrl } from "../endpoint.ts";

/** The part of a configuration that is changed here. */
interface Discovering {
	readonly upstreams: Readonly<
		Record<string, { readonly endpoints: readonly EndpointConfig[]; readonly discovery?: unknown }>
	>;
}

/**
 * The configuration with discovered endpoints after the static ones, for upstreams that have `discovery`. An endpoint
 * that the operator wrote stays as it was written. The configuration that is given is not changed.
 *
 * @param discovered by upstream name; others are ignored
 */
export function withDiscovered<Config extends Discovering>(
	config: Config,
	discovered: ReadonlyMap<string, readonly EndpointConfig[]>,
): Config {
	const upstreams = Object.entries(config.upstreams).map(([name, upstream]) => {
		const found = upstream.discovery === undefined ? undefined : discovered.get(name);
		return [name, found === undefined ? upstream : joined(upstream, found)];
	});
	return { ...config, upstreams: Object.fromEntries(upstreams) };
}

/** What was joined last, by what the operator wrote: the same is the same object, and need not be compiled again. */
const JOINED = new WeakMap<object, { readonly found: readonly EndpointConfig[]; readonly upstream: object }>();

function joined<U extends { readonly endpoints: readonly EndpointConfig[] }>(
	upstream: U,
	found: readonly EndpointConfig[],
): U {
	const known = JOINED.get(upstream);
	if (known?.found === found) return known.upstream as U;
	const both = { ...upstream, endpoints: merge(upstream.endpoints, found) };
	JOINED.set(upstream, { found, upstream: both });
	return both;
}

function merge(written: readonly EndpointConfig[], found: readonly EndpointConfig[]): EndpointConfig[] {
	const ids = new Set(written.map(idOf));
	return [...written, ...found.filter((endpoint) => !ids.has(idOf(endpoint)))];
}

function idOf({ url }: EndpointConfig): string {
	const address = parseEndpointUrl(url);
	return address === undefined ? url : endpointId(address);
}
