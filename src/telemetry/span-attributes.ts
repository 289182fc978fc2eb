/** Attributes of spans: OpenTelemetry's semantic conventions for HTTP, and `clawgate.*` for what only the gateway has. */
import type { Attributes } from "@opentelemetry/api";
import type { ConnectionFacts } from "../gateway/events.ts";
import type { Incoming } from "../gateway/incoming.ts";
import { splitHost } from "../protocol/target.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import { bounded, MAX_USER_AGENT } from "./log-fields.ts";

/** Others are `_OTHER`, so that nobody can make up names. */
const METHODS = new Set(["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"]);

/** A request's method, if it is one that traces know. */
export function methodOf(method: string | undefined): string | undefined {
	return method !== undefined && METHODS.has(method) ? method : undefined;
}

/** Of the span of a request, at its start. Never the query. */
export function requestAttributes({ facts, details, client, peerIp }: Incoming): Attributes {
	const method = methodOf(details.method);
	const server = facts.host === undefined ? undefined : splitHost(facts.host);
	return {
		"http.request.method": method ?? "_OTHER",
		"http.request.method_original": method === undefined ? details.method : undefined,
		"url.scheme": client.secure ? "https" : "http",
		"url.path": bounded(facts.path),
		"server.address": server?.host,
		"server.port": client.port || undefined,
		"client.address": facts.client_ip || undefined,
		"network.peer.address": peerIp || undefined,
		"network.protocol.name": "http",
		"network.protocol.version": facts.http_version,
		"tls.protocol.version": facts.tls_version?.replace(/^TLSv/, ""),
		"user_agent.original": bounded(facts.user_agent, MAX_USER_AGENT),
		"clawgate.connection_id": facts.connection_id,
		"clawgate.listener": facts.listener,
	};
}

/** Of the span of a request, at its end. */
export function routeAttributes(facts: ConnectionFacts): Attributes {
	return {
		"clawgate.route": facts.route,
		"clawgate.upstream": facts.upstream,
		"clawgate.endpoint": facts.endpoint,
		"clawgate.subprotocol": bounded(facts.subprotocol),
	};
}

/** Of the span of an attempt. */
export function attemptAttributes({ id, address }: Endpoint, number: number): Attributes {
	return {
		"server.address": address.socketPath ?? address.host,
		"server.port": address.port,
		"network.transport": address.socketPath === undefined ? "tcp" : "unix",
		"http.request.resend_count": number > 1 ? number - 1 : undefined,
		"clawgate.endpoint": id,
	};
}
