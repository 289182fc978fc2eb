/** What the variables of `log.template` stand for. Every value is escaped, and `-` where there is none. */
import { hostname } from "node:os";
import type { LogVariable } from "../../config/log-template.ts";
import type { Attempt, RequestDetails } from "../../gateway/events.ts";
import { bounded } from "../log-fields.ts";
import type { LogEvent, LogFields } from "./format.ts";
import { escapeText, escapeWire, MISSING } from "./template-escape.ts";
import { attempts } from "./text.ts";

/** What a variable can be read from. */
export interface VariableContext {
	readonly event: LogEvent;
	readonly fields: LogFields;
	readonly details: RequestDetails | undefined;
}

type Reader = (context: VariableContext) => string;

/** The variable is a field that is text of the gateway, the configuration or a token; or a number. */
const field =
	(name: string): Reader =>
	({ fields }) =>
		escapeText(asText(fields[name]));

/** The variable is a field that was in the request's head. */
const wire =
	(name: string): Reader =>
	({ fields }) =>
		escapeWire(asText(fields[name]));

/** The variable is a field of the opening, which a close is told too. */
const opening =
	(name: "handshake_ms" | "connect_ms"): Reader =>
	({ fields, details }) =>
		escapeText(asText(fields[name] ?? rounded(details?.opened?.[name])));

const path = wire("path");
const clientIp = field("client_ip");
const peerIp = field("peer_ip");
const connectionId = field("connection_id");
const user = field("user");
const bytesOut: Reader = ({ fields, details }) => String(fields.bytes_out ?? details?.bodyBytes ?? 0);
const method: Reader = ({ details }) => escapeWire(details?.method);
const tlsVersion = field("tls_version");
const host = wire("host");
const origin = wire("origin");
const userAgent = wire("user_agent");
/** The opened WebSocket's is 101. */
const status: Reader = ({ event, fields }) => (event.name === "ws.close" ? "101" : escapeText(asText(fields.status)));
const protocol: Reader = ({ fields }) => {
	return fields.http_version === undefined ? MISSING : `HTTP/${escapeWire(asText(fields.http_version))}`;
};

/** Every variable has its reader here; the compiler sees to it. */
export const READERS: Readonly<Record<LogVariable, Reader>> = {
	time: ({ event }) => new Date(event.time).toISOString(),
	level: ({ event }) => event.level,
	event: ({ event }) => event.name,
	connection_id: connectionId,
	trace_id: field("trace_id"),
	client_ip: clientIp,
	peer_ip: peerIp,
	listener: field("listener"),
	route: field("route"),
	upstream: field("upstream"),
	endpoint: field("endpoint"),
	hub: field("hub"),
	host,
	path,
	origin,
	subprotocol: wire("subprotocol"),
	user_agent: userAgent,
	http_version: wire("http_version"),
	tls_version: tlsVersion,
	user,
	attempts: (context) => {
		const list = attemptsOf(context);
		return list === undefined ? MISSING : escapeText(attempts(list));
	},
	handshake_ms: opening("handshake_ms"),
	connect_ms: opening("connect_ms"),
	close_code: field("close_code"),
	close_reason: field("close_reason"),
	close_initiator: field("close_initiator"),
	termination: field("termination"),
	client_close_code: field("client_close_code"),
	backend_close_code: field("backend_close_code"),
	duration_ms: field("duration_ms"),
	bytes_in: field("bytes_in"),
	bytes_out: bytesOut,
	messages_in: field("messages_in"),
	messages_out: field("messages_out"),
	topics: field("topics"),
	publications_in: field("publications_in"),
	publications_out: field("publications_out"),
	method,
	status,
	code: field("code"),
	backend_status: field("backend_status"),
	message: field("message"),

	remote_addr: clientIp,
	realip_remote_addr: peerIp,
	remote_user: user,
	time_local: ({ event }) => timeLocal(new Date(event.time)),
	time_iso8601: ({ event }) => timeIso(new Date(event.time)),
	msec: ({ event }) => (event.time / 1000).toFixed(3),
	request: (context) => {
		// Where no request could be read, nginx has an empty one.
		if (context.details === undefined) return MISSING;
		return `${method(context)} ${path(context)} ${protocol(context)}`;
	},
	request_method: method,
	request_uri: path,
	uri: path,
	document_uri: path,
	scheme: ({ fields }) => (fields.tls_version === undefined ? "http" : "https"),
	server_protocol: protocol,
	ssl_protocol: tlsVersion,
	bytes_sent: bytesOut,
	body_bytes_sent: bytesOut,
	http_host: host,
	http_origin: origin,
	http_referer: ({ details }) => escapeWire(bounded(details?.referer)),
	http_user_agent: userAgent,
	request_time: requestTime,
	request_id: connectionId,
	connection: connectionId,
	upstream_addr: (context) => {
		const list = attemptsOf(context);
		if (list === undefined || list.length === 0) return escapeText(asText(context.fields.endpoint));
		return escapeText(list.map(({ endpoint }) => endpoint).join(", "));
	},
	upstream_status: ({ event, fields }) => {
		if (event.name === "ws.close") return "101";
		// The backend's own answer, not one of ours.
		const answered = event.name === "http.request" && fields.code === undefined ? fields.status : fields.backend_status;
		return escapeText(asText(answered));
	},
	upstream_connect_time: ({ details }) => seconds(details?.opened?.connect_ms),
	pid: () => String(process.pid),
	hostname: () => escapeText(hostname()),
};

/** As nginx counts: from the request on, so that the time until a WebSocket opened is part of it. */
function requestTime({ event, fields, details }: VariableContext): string {
	const { duration_ms, handshake_ms } = fields as { duration_ms?: number; handshake_ms?: number };
	if (event.name === "ws.close") return seconds((duration_ms ?? 0) + (details?.opened?.handshake_ms ?? 0));
	return seconds(duration_ms ?? handshake_ms);
}

function attemptsOf({ fields, details }: VariableContext): readonly Attempt[] | undefined {
	return (fields.attempts as readonly Attempt[] | undefined) ?? details?.opened?.attempts;
}

function asText(value: unknown): string | undefined {
	return value === undefined || value === null ? undefined : String(value);
}

function rounded(milliseconds: number | undefined): number | undefined {
	return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}

function seconds(milliseconds: number | undefined): string {
	return milliseconds === undefined ? MISSING : (milliseconds / 1000).toFixed(3);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `02/Jan/2026:03:04:05 +0100` */
function timeLocal(date: Date): string {
	const day = `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}`;
	return `${day}:${clock(date)} ${zone(date, "")}`;
}

/** `2026-01-02T03:04:05+01:00` */
function timeIso(date: Date): string {
	return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${clock(date)}${zone(date, ":")}`;
}

function clock(date: Date): string {
	return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function zone(date: Date, separator: string): string {
	const minutes = -date.getTimezoneOffset();
	const sign = minutes < 0 ? "-" : "+";
	const distance = Math.abs(minutes);
	return `${sign}${two(Math.floor(distance / 60))}${separator}${two(distance % 60)}`;
}

function two(value: number): string {
	return String(value).padStart(2, "0");
}
