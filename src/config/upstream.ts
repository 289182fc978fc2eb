/** An entry of `upstreams`: a named pool of endpoints. */
import { z } from "zod";
import { finiteDuration } from "../options.ts";
import { admissionOption } from "../upstreams/admission.ts";
import { loadBalancingOptions } from "../upstreams/balance/index.ts";
import { breakerOptions } from "../upstreams/breaker.ts";
import { discoveryOptions } from "../upstreams/discovery/index.ts";
import { endpointOptions } from "../upstreams/endpoint.ts";
import { healthCheckOptions, onUnhealthyOptions } from "../upstreams/health/index.ts";
import { outlierOptions } from "../upstreams/outlier.ts";
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
	outlier_detection: outlierOptions.optional().meta({
		description:
			"Ejects an endpoint for a while that fails real connections several times in a row. `{}` switches it on with the defaults.",
	}),
	circuit_breaker: breakerOptions.optional().meta({
		description:
			"For each endpoint: stops new connections while too large a part of its handshakes fails, and limits how many there are. `{}` switches it on with the defaults.",
	}),
	max_handshakes_per_second: admissionOption,
	handshake: z.enum(["strict", "lenient"]).prefault("strict").meta({
		description:
			"`strict`: a 101 has to be what RFC 6455 demands (HTTP/1.1, Upgrade, Connection, the right Sec-WebSocket-Accept, extensions that were offered). `lenient`, for old servers and clients, passes any 101 on as it is, and also takes handshakes of version 8. A subprotocol that was not offered is passed on by both, and logged once.",
	}),
	address_cache: finiteDuration.prefault("30s").meta({
		description:
			"How long the addresses of an endpoint's host name are used until the name is asked for again. While no name server answers, the last good ones stay in use.",
	}),
	proxy_protocol: z.enum(["v1", "v2"]).optional().meta({
		description:
			"Every connection to an endpoint begins with a PROXY protocol header of this version, before TLS: the client's address (after `trusted_proxies`), and where it connected to. Health checks say LOCAL, or UNKNOWN with `v1`. Plain HTTP requests then have a connection each.",
	}),
	tls: upstreamTlsOptions.prefault({}).meta({ description: "For `wss://` and `https://` endpoints." }),
});
