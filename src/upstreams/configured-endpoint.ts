/** An endpoint of a snapshot, as the configuration or discovery wrote it. */
import {
	type Endpoint,
	type EndpointAddress,
	type EndpointConfig,
	type EndpointState,
	endpointId,
	parseEndpointUrl,
} from "./endpoint.ts";
import { hash32 } from "./hash.ts";
import { currentMode, currentWeight, type EndpointMode, type WrittenEndpoint } from "./override.ts";

/**
 * A class, so that all endpoints have one shape: policies look at each of an upstream's endpoints for a handshake, and
 * objects with getters of their own would each be of another.
 */
export class ConfiguredEndpoint implements Endpoint {
	readonly id: string;
	readonly url: string;
	readonly address: EndpointAddress;
	readonly written: WrittenEndpoint;
	readonly backup: boolean;
	readonly maxConnections: number | undefined;
	readonly hash: number;
	readonly state: EndpointState;

	/**
	 * @param stateOf gives the state that outlives snapshots, by the endpoint's id
	 * @throws Error when the URL is not one
	 */
	constructor(upstream: string, config: EndpointConfig, stateOf: (id: string) => EndpointState) {
		const address = parseEndpointUrl(config.url);
		if (address === undefined) throw new Error(`upstream ${upstream}: ${config.url} is not an endpoint URL`);
		this.id = endpointId(address);
		this.url = config.url;
		this.address = address;
		this.written = { mode: config.state, weight: config.weight };
		this.backup = config.backup;
		this.maxConnections = config.max_connections;
		this.hash = hash32(this.id);
		this.state = stateOf(this.id);
	}

	get weight(): number {
		return currentWeight(this.state, this.written.weight);
	}

	get mode(): EndpointMode {
		return currentMode(this.state, this.written.mode);
	}
}
