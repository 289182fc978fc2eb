/** Reconnect storms: many clients that come at once and come back until they are in. */
import { connect, type Socket } from "node:net";
import { type Child, startNode } from "./child.ts";
import { until } from "./poll.ts";

export interface StormBackend {
	readonly child: Child;
	readonly port: number;
	/** When each opening handshake arrived, in ms since the epoch, and how many connections are open. */
	seen(): Promise<{ times: number[]; open: number }>;
}

/** A backend in a process of its own. */
export async function startStormBackend(port = 0): Promise<StormBackend> {
	const child = startNode(["test/harness/storm-backend.js", String(port)]);
	const bound = Number(await until(() => child.stdout().trim(), { what: "the backend's port" }));
	const seen = async () =>
		(await (await fetch(`http://127.0.0.1:${bound}/`)).json()) as { times: number[]; open: number };
	return { child, port: bound, seen };
}

/** The most of `times` (in order) that fall into any second. */
export function busiestSecond(times: readonly number[]): number {
	let most = 0;
	let from = 0;
	for (const [index, time] of times.entries()) {
		while (time - (times[from] as number) >= 1_000) from++;
		most = Math.max(most, index - from + 1);
	}
	return most;
}

/**
 * How many more had come at some moment than `rate` a second allows, counted from `since` on, before which nothing was
 * sent. What a busy machine lets arrive late does not count.
 */
export function aheadOf(rate: number, times: readonly number[], since: number): number {
	return Math.max(...times.map((time, index) => index + 1 - (rate * (time - since)) / 1_000));
}

/** What a client does after a 503: waits as long as Retry-After says, or a second of its own ± half. */
export type Manners = "honours Retry-After" | "retries after a second";

const HANDSHAKE =
	"GET / HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/** One client of a storm; it reconnects whenever it is refused or loses its connection. */
export class StormClient {
	/** Since when it has its connection (performance.now()); undefined while it has none. */
	inSince: number | undefined;
	/** Handshakes so far. */
	tries = 0;
	/** Statuses of the answers that were no 101, by how often. */
	readonly refusals: Record<string, number>;
	readonly #port: number;
	readonly #manners: Manners;
	#socket: Socket | undefined;
	#timer: NodeJS.Timeout | undefined;
	#over = false;

	constructor(port: number, manners: Manners, refusals: Record<string, number>) {
		this.#port = port;
		this.#manners = manners;
		this.refusals = refusals;
		this.#connect();
	}

	stop(): void {
		this.#over = true;
		clearTimeout(this.#timer);
		this.#socket?.destroy();
	}

	#connect(): void {
		this.tries++;
		let head = "";
		let wait = 0;
		const socket = connect({ port: this.#port, host: "127.0.0.1" });
		this.#socket = socket;
		socket.on("error", () => {});
		socket.write(HANDSHAKE);
		socket.on("data", (chunk: Buffer) => {
			if (this.inSince !== undefined || head.includes("\r\n\r\n")) return;
			head += chunk.toString("latin1");
			if (!head.includes("\r\n\r\n")) return;
			const status = head.slice(9, 12);
			if (status === "101") {
				this.inSince = performance.now();
				return;
			}
			this.refusals[status] = (this.refusals[status] ?? 0) + 1;
			const retryAfter = Number(/^retry-after: (\d+)\r$/im.exec(head)?.[1] ?? 1);
			wait = this.#manners === "honours Retry-After" ? retryAfter * 1_000 : 500 + Math.random() * 1_000;
			socket.end();
		});
		socket.on("close", () => {
			// Whoever loses a connection comes back at once.
			this.inSince = undefined;
			if (!this.#over) this.#timer = setTimeout(() => this.#connect(), wait);
		});
	}
}
