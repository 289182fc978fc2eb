/** The fields of log lines, in their order. What a client can choose is bounded here. */
import type { Attempt, CloseReport, ConnectionFacts, HttpReport, OpenReport, RejectReport } from "../gateway/events.ts";
import type { LogFields } from "./formats/format.ts";

const MAX_TEXT = 512;
export const MAX_USER_AGENT = 256;

export function factFields(facts: ConnectionFacts): Record<string, unknown> {
	return {
		connection_id: facts.connection_id,
		trace_id: bounded(facts.trace_id),
		client_ip: facts.client_ip,
		peer_ip: facts.peer_ip,
		listener: facts.listener,
		route: facts.route,
		upstream: facts.upstream,
		endpoint: facts.endpoint,
		hub: facts.hub,
		host: bounded(facts.host),
		path: bounded(facts.path),
		origin: bounded(facts.origin),
		subprotocol: bounded(facts.subprotocol),
		user_agent: bounded(facts.user_agent, MAX_USER_AGENT),
		http_version: facts.http_version,
		tls_version: facts.tls_version,
		user: bounded(facts.user),
	};
}

export function openFields(facts: ConnectionFacts, report: OpenReport): LogFields {
	return Object.assign(factFields(facts), {
		attempts: report.attempts.map(attemptFields),
		handshake_ms: rounded(report.handshake_ms),
		connect_ms: rounded(report.connect_ms),
	});
}

export function closeFields(facts: ConnectionFacts, report: CloseReport): LogFields {
	return Object.assign(factFields(facts), {
		close_code: report.close_code,
		close_reason: bounded(report.close_reason),
		close_initiator: report.close_initiator,
		termination: report.termination,
		client_close_code: report.client_close_code,
		backend_close_code: report.backend_close_code,
		duration_ms: rounded(report.duration_ms),
		bytes_in: report.bytes_in,
		bytes_out: report.bytes_out,
		messages_in: report.messages_in,
		messages_out: report.messages_out,
		topics: report.topics,
		publications_in: report.publications_in,
		publications_out: report.publications_out,
	});
}

export function rejectFields(facts: ConnectionFacts, report: RejectReport): LogFields {
	return Object.assign(factFields(facts), {
		status: report.status,
		code: report.code,
		backend_status: report.backend_status,
		attempts: report.attempts.map(attemptFields),
		handshake_ms: rounded(report.handshake_ms),
		message: bounded(report.message),
	});
}

export function httpFields(facts: ConnectionFacts, report: HttpReport): LogFields {
	return Object.assign(factFields(facts), {
		method: bounded(report.method),
		status: report.status,
		code: report.code,
		message: bounded(report.message),
		termination: report.termination,
		duration_ms: rounded(report.duration_ms),
		bytes_in: report.bytes_in,
		bytes_out: report.bytes_out,
	});
}

/** Fields of any other event; an Error becomes its message, since it has nothing of its own to serialise. */
export function noticeFields(fields: LogFields): LogFields {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? value.message : value]),
	);
}

function attemptFields(attempt: Attempt): Attempt {
	return { endpoint: attempt.endpoint, outcome: attempt.outcome, ms: rounded(attempt.ms) };
}

/** To the microsecond: a clock's further digits are noise. */
function rounded(milliseconds: number): number {
	return Math.round(milliseconds * 1000) / 1000;
}

/** At most `max` characters; a longer text ends with an ellipsis, and never with half a surrogate pair. */
export function bounded(text: string | undefined, max = MAX_TEXT): string | undefined {
	if (text === undefined || text.length <= max) return text;
	const end = (text.codePointAt(max - 2) ?? 0) > 0xffff ? max - 2 : max - 1;
	return `${text.slice(0, end)}…`;
}
