/** An open connection as the admin API shows it. */
import { z } from "zod";
import type { Session } from "../../gateway/session.ts";

/** What a client can choose is cut to this many characters. */
const MAX_TEXT = 512;

const count = z.int().nonnegative();
const text = z.string().optional();

export const connectionSchema = z
	.strictObject({
		connection_id: z.string().meta({ description: "As in the log." }),
		kind: z.enum(["websocket", "http"]).meta({ description: "`http`: a plain HTTP request that is being answered." }),
		trace_id: text,
		client_ip: z.string(),
		peer_ip: z.string(),
		listener: z.string(),
		route: text,
		upstream: text,
		endpoint: text,
		host: text,
		path: text.meta({ description: "Without the query." }),
		origin: text,
		subprotocol: text,
		user_agent: text,
		http_version: text,
		tls_version: text,
		user: text,
		sequence: count.meta({ description: "Place in the order of opening; what `cursor` counts in." }),
		age_ms: z.number().nonnegative().meta({ description: "Since the request." }),
		bytes_in: count.meta({ description: "From the client, after the 101, or of the request's body." }),
		bytes_out: count,
		messages_in: count,
		messages_out: count,
		rtt_ms: z
			.strictObject({ client: z.number().nonnegative().optional(), backend: z.number().nonnegative().optional() })
			.meta({ description: "Answer time of the gateway's last Ping to each side; absent before the first answer." }),
		draining: z.boolean().meta({ description: "A drain has it on its list." }),
		closing: z.boolean().meta({ description: "Its Close was sent or seen." }),
	})
	.meta({ id: "Connection", description: "An open connection." });

export type ConnectionView = z.output<typeof connectionSchema>;

/** Cheap enough for a thousand at once. */
export function connectionView(connection: Session): Record<string, unknown> {
	const { facts } = connection;
	return {
		connection_id: facts.connection_id,
		kind: connection.kind,
		trace_id: facts.trace_id,
		client_ip: facts.client_ip,
		peer_ip: facts.peer_ip,
		listener: facts.listener,
		route: facts.route,
		upstream: facts.upstream,
		endpoint: facts.endpoint,
		host: bounded(facts.host),
		path: bounded(facts.path),
		origin: bounded(facts.origin),
		subprotocol: bounded(facts.subprotocol),
		user_agent: bounded(facts.user_agent),
		http_version: facts.http_version,
		tls_version: facts.tls_version,
		user: bounded(facts.user),
		sequence: connection.sequence,
		age_ms: Math.round(connection.age),
		bytes_in: connection.bytesIn,
		bytes_out: connection.bytesOut,
		messages_in: connection.messagesIn,
		messages_out: connection.messagesOut,
		rtt_ms: { client: rounded(connection.clientRtt), backend: rounded(connection.backendRtt) },
		draining: connection.draining,
		closing: connection.closing,
	};
}

function rounded(milliseconds: number | undefined): number | undefined {
	return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}

/** What a client can choose is cut. */
export function bounded(value: string | undefined): string | undefined {
	return value === undefined || value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT - 1)}…`;
}
