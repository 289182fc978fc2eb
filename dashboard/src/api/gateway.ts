/** The operations of the admin API that the dashboard uses. */
import { type Client, withQuery } from "./client.ts";
import type {
	Activity,
	Closed,
	Connection,
	Drain,
	Endpoint,
	EndpointMode,
	Hub,
	HubMissedList,
	HubPublished,
	HubTopic,
	HubTopics,
	Page,
	Reloaded,
	Route,
	Upstream,
} from "./model.ts";

export interface ConnectionFilter {
	readonly route?: string | undefined;
	readonly upstream?: string | undefined;
	readonly endpoint?: string | undefined;
	readonly client_ip?: string | undefined;
	readonly user?: string | undefined;
	readonly subprotocol?: string | undefined;
}

export interface PageQuery extends ConnectionFilter {
	readonly sort?: string | undefined;
	readonly order?: string | undefined;
	readonly limit: number;
	readonly offset: number;
}

export interface CloseOrder {
	readonly close_code: number;
	/** Absent: the gateway's own words. */
	readonly reason?: string;
}

export interface DrainOrder {
	readonly route?: string;
	readonly upstream?: string;
	readonly endpoint?: string;
	readonly spread?: string;
	readonly timeout?: string;
	readonly close_code?: number;
	readonly reason?: string;
}

export interface GatewayApi {
	activity(since: number, abort?: AbortSignal): Promise<Activity>;
	routes(abort?: AbortSignal): Promise<readonly Route[]>;
	upstreams(abort?: AbortSignal): Promise<readonly Upstream[]>;
	connections(query: PageQuery, abort?: AbortSignal): Promise<Page>;
	/** Undefined when it is not open any more. */
	connection(id: string, abort?: AbortSignal): Promise<Connection | undefined>;
	/** Those with the ids, at most a thousand. */
	closeListed(ids: readonly string[], order: CloseOrder): Promise<Closed>;
	/** All that fit; an empty filter is every connection. */
	closeFitting(filter: ConnectionFilter, order: CloseOrder): Promise<Closed>;
	changeEndpoint(
		upstream: string,
		id: string,
		change: { readonly state?: EndpointMode | null; readonly weight?: number | null },
	): Promise<Endpoint>;
	hubs(abort?: AbortSignal): Promise<readonly Hub[]>;
	hubTopics(hub: string, prefix: string, limit: number, abort?: AbortSignal): Promise<HubTopics>;
	hubTopic(hub: string, topic: string, abort?: AbortSignal): Promise<HubTopic>;
	/** An empty topic is all of them. */
	hubMissed(hub: string, user: string, topic: string, abort?: AbortSignal): Promise<HubMissedList>;
	hubPublish(hub: string, topic: string, data: unknown): Promise<HubPublished>;
	startDrain(order: DrainOrder): Promise<Drain>;
	drains(abort?: AbortSignal): Promise<readonly Drain[]>;
	reload(): Promise<Reloaded>;
	config(abort?: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
	/** Prometheus's text. */
	metrics(abort?: AbortSignal): Promise<string>;
}

export function createGatewayApi(client: Client): GatewayApi {
	return {
		activity: (since, abort) => client.get(withQuery("activity", { since }), abort),
		routes: async (abort) => (await client.get<{ routes: Route[] }>("routes", abort)).routes,
		upstreams: async (abort) => (await client.get<{ upstreams: Upstream[] }>("upstreams", abort)).upstreams,
		connections: (query, abort) => client.get(withQuery("connections", { ...query }), abort),
		// A filter, since a 404 would be an error in the browser's console.
		connection: async (id, abort) =>
			(await client.get<Page>(withQuery("connections", { connection_id: id }), abort)).connections[0],
		closeListed: (ids, order) => client.change("DELETE", "connections", { ...order, connection_ids: ids }),
		closeFitting: (filter, order) => {
			const named = withQuery("connections", { ...filter });
			return client.change("DELETE", named === "connections" ? "connections?all=true" : named, order);
		},
		changeEndpoint: (upstream, id, change) =>
			client.change("PATCH", `upstreams/${encodeURIComponent(upstream)}/endpoints/${encodeURIComponent(id)}`, change),
		hubs: async (abort) => (await client.get<{ hubs: Hub[] }>("hubs", abort)).hubs,
		hubTopics: (hub, prefix, limit, abort) => client.get(withQuery(`${hubPath(hub)}/topics`, { prefix, limit }), abort),
		hubTopic: (hub, topic, abort) => client.get(`${hubPath(hub)}/topics/${encodeURIComponent(topic)}`, abort),
		hubMissed: (hub, user, topic, abort) => client.get(withQuery(`${hubPath(hub)}/missed`, { user, topic }), abort),
		hubPublish: (hub, topic, data) => client.change("POST", `${hubPath(hub)}/publish`, { topic, data }),
		startDrain: (order) => client.change("POST", "drain", order),
		drains: async (abort) => (await client.get<{ drains: Drain[] }>("drain", abort)).drains,
		reload: () => client.change("POST", "reload"),
		config: async (abort) => (await client.get<{ config: Record<string, unknown> }>("config", abort)).config,
		metrics: async (abort) => (await client.open("metrics", abort ? { signal: abort } : {})).text(),
	};
}

function hubPath(hub: string): string {
	return `hubs/${encodeURIComponent(hub)}`;
}
