/** The schema of routes.yaml, put together from the parts' own option schemas, and the types it gives. */
import { z } from "zod";
import { hubOptions } from "../hub/options.ts";
import { cidr } from "../options.ts";
import { adminOptions } from "./admin.ts";
import { hubApiOptions } from "./hub-api.ts";
import { listenerOptions } from "./listener.ts";
import { logOptions } from "./log.ts";
import { defaultOptions, routeOptions } from "./route.ts";
import { shutdownOptions } from "./shutdown.ts";
import { upstreamOptions } from "./upstream.ts";
import { nameText } from "./values.ts";
import { workersOption } from "./workers.ts";

/** routes.yaml as written; cross checks and `defaults` are load.ts's part. A new section is one line here. */
export const configSchema = z.strictObject({
	workers: workersOption,
	trusted_proxies: z.array(cidr).prefault([]).meta({
		description:
			"Who is believed about clients: the address in the one header that `client_ip_header` of the route names, X-Forwarded-Proto, -Host and -Port. Default: nobody.",
	}),
	shutdown: shutdownOptions.prefault({}).meta({ description: "What happens after SIGTERM or SIGINT." }),
	log: logOptions.prefault({}).meta({ description: "Log lines on stdout." }),
	admin: adminOptions
		.optional()
		.meta({ description: "Admin API, metrics and health. Without this section there is no admin port." }),
	listeners: z
		.array(listenerOptions)
		.min(1, { error: "expected at least one listener" })
		.meta({ description: "Where clients connect." }),
	defaults: defaultOptions.optional().meta({
		description:
			"Values for all routes: any key of a route except `name`, `match`, `upstream`, `split` and `hub`. A route's own value wins key by key; lists are replaced as a whole.",
	}),
	upstreams: z
		.record(nameText, upstreamOptions)
		.prefault({})
		.meta({ description: "Pools of servers by name. May be left out where no route leads to one." }),
	hubs: z
		.record(nameText, hubOptions)
		.prefault({})
		.meta({ description: "Sets of topics by name: connections end in the gateway, and backends publish to them." }),
	hub_api: hubApiOptions.optional().meta({
		description: "Where backends publish: an HTTP server of its own, never a public one.",
	}),
	routes: z
		.array(routeOptions)
		.min(1, { error: "expected at least one route" })
		.meta({ description: "Tried in file order; the first match wins." }),
});

type Output = z.output<typeof configSchema>;

/** An entry of `listeners`; a name was given to the unnamed. File names are absolute. Times in ms, sizes in bytes. */
export type ListenerConfig = Output["listeners"][number] & { name: string };
/** An entry of `upstreams`. File names are absolute. */
export type UpstreamConfig = Output["upstreams"][string];
/** An entry of `routes` with `defaults` merged in. Exactly one of `upstream`, `split` and `hub` is set. Times in ms, `OFF` = never. */
export type RouteConfig = Output["routes"][number] & { name: string };
export type HubApiConfig = NonNullable<Output["hub_api"]>;
export type DrainConfig = RouteConfig["drain"];
export type AdminConfig = NonNullable<Output["admin"]>;
export type LogConfig = Output["log"];

/** A checked routes.yaml: names resolved, defaults merged, files readable. */
export type GatewayConfig = Omit<Output, "listeners" | "routes" | "defaults"> & {
	listeners: ListenerConfig[];
	routes: RouteConfig[];
};
