/** An entry of `upstreams`: a named pool of endpoints. */
import { z } from "zod";
import { loadBalancingOptions } from "../upstreams/balance/index.ts";
import { endpointOptions } from "../upstreams/endpoint.ts";
import { stickyOptions } from "../upstreams/sticky.ts";
import { upstreamTlsOptions } from "../upstreams/tls.ts";

export const upstreamOptions = z.strictObject({
	endpoints: z
		.array(endpointOptions)
		.prefault([])
		.meta({ description: "The servers, at least one: a URL, or a map when there is more to say." }),
	load_balancing: loadBalancingOptions
		.prefault({})
		.meta({ description: "In which order endpoints are tried for a new connection." }),
	sticky: stickyOptions.optional().meta({ description: "Sends a client back to the endpoint it had before." }),
	tls: upstreamTlsOptions.prefault({}).meta({ description: "For `wss://` and `https://` endpoints." }),
});
