/** Events that the telemetry tests send, as the gateway would. */
import type { CloseReport, ConnectionFacts, OpenReport, RejectReport } from "../../../src/gateway/events.ts";

export const FACTS: ConnectionFacts = {
	connection_id: "c1",
	trace_id: undefined,
	client_ip: "203.0.113.7",
	peer_ip: "10.0.0.2",
	listener: "public",
	route: "chat",
	upstream: "pool",
	endpoint: "127.0.0.1:7001",
	host: "chat.example.com",
	path: "/ws",
	origin: "https://app.example.com",
	user_agent: "test/1.0",
	http_version: "1.1",
};

export const OPENED: OpenReport = {
	attempts: [
		{ endpoint: "127.0.0.1:7000", outcome: "connect_failure", ms: 1.23456 },
		{ endpoint: "127.0.0.1:7001", outcome: "ok", ms: 2 },
	],
	handshake_ms: 12.3456789,
	connect_ms: 2,
};

export const CLOSED: CloseReport = {
	close_code: 1000,
	close_reason: "bye",
	close_initiator: "client",
	termination: "normal",
	client_close_code: 1000,
	backend_close_code: 1000,
	duration_ms: 12_345.6,
	bytes_in: 2048,
	bytes_out: 20,
	messages_in: 3,
	messages_out: 1,
};

export const REFUSED: RejectReport = {
	status: 502,
	code: "CONNECT_FAILED",
	attempts: [],
	handshake_ms: 5,
	message: "connect ECONNREFUSED",
};
