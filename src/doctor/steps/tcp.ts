/** Step 3: a TCP connection to each address. */
import { connect, type Socket } from "node:net";
import { ignoreSocketError } from "../../upstreams/socket.ts";
import type { Address } from "../system-lookup.ts";
import { duration } from "../words.ts";

export interface TcpAttempt extends Address {
	/** `connected`, `timeout`, or the system's error code. */
	readonly outcome: string;
	readonly ms: number;
}

export interface TcpFacts {
	readonly port: number;
	/** One for each address, in the resolver's order. */
	readonly attempts: readonly TcpAttempt[];
	readonly timeout: number;
}

/** What {@link connectAll} gives back. */
export interface Connected {
	readonly facts: TcpFacts;
	/** To the first address that accepted; the others are closed. Half-open capable, errors are ignored. */
	readonly socket: Socket | undefined;
	readonly address: string | undefined;
}

/** Tries every address at the same time. */
export async function connectAll(
	addresses: readonly Address[],
	port: number,
	timeout: number,
	now: () => number,
): Promise<Connected> {
	const results = await Promise.all(addresses.map((address) => connectTo(address, port, timeout, now)));
	const first = results.find(({ socket }) => socket !== undefined);
	for (const { socket } of results) if (socket !== first?.socket) socket?.destroy();
	const facts = { port, timeout, attempts: results.map(({ attempt }) => attempt) };
	return { facts, socket: first?.socket, address: first?.attempt.address };
}

/** One connection; resolves always. */
export function connectTo(
	{ address, family }: Address,
	port: number,
	timeout: number,
	now: () => number,
): Promise<{ attempt: TcpAttempt; socket: Socket | undefined }> {
	return new Promise((resolve) => {
		const started = now();
		const socket = connect({ host: address, port, allowHalfOpen: true });
		const finish = (outcome: string): void => {
			clearTimeout(timer);
			socket.off("connect", onConnect).off("error", onError);
			const good = outcome === "connected";
			if (good) socket.setNoDelay(true);
			else socket.destroy();
			resolve({
				attempt: { address, family, outcome, ms: now() - started },
				socket: good ? socket : undefined,
			});
		};
		const onConnect = (): void => finish("connected");
		const onError = (error: NodeJS.ErrnoException): void => finish(error.code ?? error.message);
		const timer = setTimeout(() => finish("timeout"), timeout);
		socket.on("error", ignoreSocketError).on("error", onError).on("connect", onConnect);
	});
}

const OUTCOMES: Readonly<Record<string, string>> = {
	connected: "accepts",
	timeout: "does not answer",
	ECONNREFUSED: "refuses",
	ECONNRESET: "resets",
	EHOSTUNREACH: "no route to the host",
	ENETUNREACH: "no route to the network",
	ETIMEDOUT: "does not answer",
	EACCES: "not permitted",
	EADDRNOTAVAIL: "no local address for it",
};

/** What the step saw. */
export function describeTcp({ port, attempts, timeout }: TcpFacts): string {
	return attempts
		.map(({ address, family, outcome, ms }) => {
			const where = family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
			const words = OUTCOMES[outcome] ?? outcome;
			if (outcome === "connected") return `${where} ${words} after ${duration(ms)}`;
			return `${where} ${words}${outcome === "timeout" ? ` within ${duration(timeout)}` : ""}`;
		})
		.join("; ");
}
