/** An entry of `upstreams`: a named pool of endpoints. */
import { z } from "zod";
import { loadBalancingOptions } from "../upstreams/balance/index.ts";
import { endpointOptions } from "../upstreams/endpoint.ts";
import { stickyOptions } from "../upstreams/sticky.ts";
import { filePath } from "./values.ts";

const tlsOptions = z.strictObject({
	ca: filePath.optional().meta({ description: "PEM file: trust these authorities instead of the system's." }),
	cert: filePath.optional().meta({ description: "PEM file: client certificate of the gateway; together with `key`." }),
	key: filePath.optional().meta({ description: "PEM file: its private key, not encrypted." }),
	server_name: z
		.string()
		.min(1)
		.optional()
		.meta({ description: "Name asked for (SNI) and checked, instead of the endpoint's host." }),
	verify: z
		.boolean()
		.prefault(true)
		.meta({ description: "`false` accepts any certificate: the connection can then be read by a third party." }),
});

export const upstreamOptions = z.strictObject({
	endpoints: z
		.array(endpointOptions)
		.prefault([])
		.meta({ description: "The servers, at least one: a URL, or a map when there is more to say." }),
	load_balancing: loadBalancingOptions
		.prefault({})
		.meta({ description: "In which order endpoints are tried for a new connection." }),
	sticky: stickyOptions.optional().meta({ description: "Sends a client back to the endpoint it had before." }),
	tls: tlsOptions.prefault({}).meta({ description: "For `wss://` and `https://` endpoints." }),
});
