/** Log lines of a gateway, parsed. */
import { until } from "./poll.ts";

/** One dial, as a log line tells it. */
export interface AttemptRecord {
	endpoint: string;
	outcome: string;
	ms: number;
}

/** One parsed log line. The fields are those of the log reference; only `event` is always there. */
export interface LogRecord {
	event: string;
	level?: string;
	time?: string | number;
	connection_id?: string;
	client_ip?: string;
	peer_ip?: string;
	listener?: string;
	route?: string;
	upstream?: string;
	endpoint?: string;
	host?: string;
	path?: string;
	origin?: string;
	subprotocol?: string;
	user_agent?: string;
	tls_version?: string;
	attempts?: AttemptRecord[];
	handshake_ms?: number;
	connect_ms?: number;
	close_code?: number;
	close_reason?: string;
	close_initiator?: string;
	termination?: string;
	client_close_code?: number;
	backend_close_code?: number;
	duration_ms?: number;
	bytes_in?: number;
	bytes_out?: number;
	messages_in?: number;
	messages_out?: number;
	status?: number;
	code?: string;
	backend_status?: number;
	[field: string]: unknown;
}

/** Collects log lines and waits for them. */
export class LogLines {
	readonly records: LogRecord[] = [];
	/** Lines that were not JSON. */
	readonly other: string[] = [];
	#rest = "";

	/** Takes whole lines or parts of them. */
	write(text: string): void {
		const lines = (this.#rest + text).split("\n");
		this.#rest = lines.pop() as string;
		for (const line of lines) this.#add(line);
	}

	/** Takes one line, with or without its line end. */
	writeLine(line: string): void {
		for (const part of line.split("\n")) this.#add(part);
	}

	#add(line: string): void {
		if (line.trim() === "") return;
		try {
			this.records.push(JSON.parse(line) as LogRecord);
		} catch {
			this.other.push(line);
		}
	}

	/** The records of one event. */
	of(event: string): LogRecord[] {
		return this.records.filter((record) => record.event === event);
	}

	/** The first record of an event, or that a predicate takes, once it is there. */
	async waitFor(which: string | ((record: LogRecord) => boolean), timeout = 5_000): Promise<LogRecord> {
		const matches = typeof which === "string" ? (record: LogRecord) => record.event === which : which;
		try {
			return await until(() => this.records.find(matches), { timeout, what: `a log line: ${which}` });
		} catch (error) {
			const seen = this.records.map((record) => JSON.stringify(record)).join("\n");
			throw new Error(`${(error as Error).message}\nthe log has:\n${seen || "(nothing)"}`);
		}
	}

	/**
	 * Checks what holds for every log: each connection has one `ws.open` or one `ws.reject`, and each `ws.open` one
	 * `ws.close`.
	 */
	assertPaired(): void {
		const counts = new Map<string, { open: number; close: number; reject: number }>();
		for (const { event, connection_id: id } of this.records) {
			const kind =
				event === "ws.open" ? "open" : event === "ws.close" ? "close" : event === "ws.reject" ? "reject" : undefined;
			if (!kind) continue;
			if (!id) throw new Error(`a ${event} line without connection_id`);
			const entry = counts.get(id) ?? { open: 0, close: 0, reject: 0 };
			entry[kind]++;
			counts.set(id, entry);
		}
		for (const [id, { open, close, reject }] of counts) {
			if (open + reject !== 1 || open !== close) {
				throw new Error(`connection ${id} has ${open} ws.open, ${close} ws.close and ${reject} ws.reject lines`);
			}
		}
	}
}
