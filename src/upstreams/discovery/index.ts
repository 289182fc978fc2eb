/** The registry of discovery sources, and `discovery` built from it. */
import { createDnsSource, type DnsConfig, dnsOptions } from "./dns.ts";
import type { DiscoverySource } from "./source.ts";

/** The option `discovery` of an upstream. A second source makes it a `z.union` of both. */
export const discoveryOptions = dnsOptions;

export type DiscoveryConfig = DnsConfig;

/** Every source by the name it has in the config; a new one is a file and a line. */
const SOURCES: { readonly [Type in DiscoveryConfig["type"]]: (config: DiscoveryConfig) => DiscoverySource } = {
	dns: createDnsSource,
};

/** Makes the source that a `discovery` section asks for. */
export function createSource(config: DiscoveryConfig): DiscoverySource {
	return SOURCES[config.type](config);
}

/** The name that a discovered endpoint's certificate is for: without the labels of the service (RFC 6125 §1.8) and the root. */
export function certificateName({ name }: DiscoveryConfig): string {
	return name.replace(/^(_[^.]+\.)+/, "").replace(/\.$/, "");
}
