/** An entry of `upstreams`: a named pool of endpoints. */
import { z } from "zod";
import { loadBalancingOptions } from "../upstreams/balance/index.ts";
import { discoveryOptions } from "../upstreams/discovery/index.ts";
import { endpointOptions } from "../upstreams/endpoint.ts";
import { healthCheckOptions, onUnhealthyOptions } from "../upstreams/health/index.ts";
import { stickyOptions } from "../upstreams/sticky.ts";
import { upstreamTlsOptions } from "../upstreams/tls.ts";

export const upstreamOptions = z.strictObject({
	endpoints: z.array(endpointOptions).prefault([]).meta({
		description: "The servers: a URL, or a map when there is more to say. At least one, unless there is `discovery`.",
	}),
	discovery: discoveryOptions.optional().meta({
		description:
			"Finds further endpoints by DNS. The last good answer is kept when there is none; connections to an address that is gone are drained.",
	}),
	load_balancing: loadBalancingOptions
		.prefault({})
		.meta({ description: "In which order endpoints are tried for a new connection." }),
	sticky: stickyOptions.optional().meta({ description: "Sends a client back to the endpoint it had before." }),
	health_check: healthCheckOptions.optional().meta({
		description:
			"Asks each endpoint all the time whether it can serve; one that cannot gets no new connections. Without a usable endpoint clients get 503.",
	}),
	on_unhealthy: onUnhealthyOptions.prefault("keep").meta({
		description: "Open connections of an endpoint that the health check finds unhealthy: left alone, or drained.",
	}),
	tls: upstreamTlsOptions.prefault({}).meta({ description: "For `wss://` and `https://` endpoints." }),
});
