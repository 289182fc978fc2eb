/** Endpoints, options and probe targets for the tests of this folder. */
import { onTestFinished } from "vitest";
import { loadBalancingOptions } from "../../../../src/upstreams/balance/index.ts";
import {
	type Endpoint,
	type EndpointAddress,
	endpointOptions,
	parseEndpointUrl,
} from "../../../../src/upstreams/endpoint.ts";
import { type HealthCheckConfig, healthCheckOptions } from "../../../../src/upstreams/health/index.ts";
import type { ProbeTarget } from "../../../../src/upstreams/health/probe.ts";
import { UpstreamStates } from "../../../../src/upstreams/states.ts";
import { compileUpstream, type Upstream, type UpstreamConfig } from "../../../../src/upstreams/upstream.ts";

export function options(written: Record<string, unknown> = {}): HealthCheckConfig {
	return healthCheckOptions.parse({ type: "tcp", ...written });
}

/** Compiles an upstream from what an operator writes. */
export function upstream(
	endpoints: unknown[],
	parts: Partial<UpstreamConfig> = {},
	{ name = "chat", states = new UpstreamStates(() => 1) } = {},
): Upstream {
	return compileUpstream(
		name,
		{
			endpoints: endpoints.map((endpoint) => endpointOptions.parse(endpoint)),
			load_balancing: loadBalancingOptions.parse({}),
			...parts,
		},
		states,
		{ random: () => 0, stickySecret: Buffer.from("a key for tests") },
	);
}

export function endpointOf(written: unknown): Endpoint {
	return upstream([written]).endpoints[0] as Endpoint;
}

export function target(url: string, parts: Partial<ProbeTarget> = {}): ProbeTarget {
	return {
		address: parseEndpointUrl(url) as EndpointAddress,
		tls: undefined,
		path: "/",
		expectedStatuses: [200],
		...parts,
	};
}

/** Aborted at the end of the test. */
export function probeSignal(): AbortController {
	const controller = new AbortController();
	onTestFinished(() => controller.abort());
	return controller;
}
