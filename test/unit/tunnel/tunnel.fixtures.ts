/** A tunnel over real sockets whose clock the test turns and whose reads the test can make itself. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { NO_CLOSE_FRAME, type Outcome, type Side } from "../../../src/tunnel/report.ts";
import { Tunnel, type TunnelOptions } from "../../../src/tunnel/tunnel.ts";
import { TimerWheel } from "../../../src/tunnel/wheel.ts";
import { RawPeer } from "../../harness/raw-peer.ts";

const OPTIONS: TunnelOptions = {
	idle: Number.POSITIVE_INFINITY,
	lifetime: Number.POSITIVE_INFINITY,
	close: 5_000,
	pingInterval: 20_000,
	pingTimeout: 20_000,
	pingClient: true,
	pingBackend: true,
	backendLostCode: NO_CLOSE_FRAME,
	clientLostCode: NO_CLOSE_FRAME,
	authExpiredCode: 4401,
};

export interface TestTunnel {
	readonly tunnel: Tunnel;
	/** The far ends: who the gateway talks to. */
	readonly client: RawPeer;
	readonly backend: RawPeer;
	readonly outcomes: Outcome[];
	readonly pongs: { side: Side; seconds: number }[];
	/** What threw inside of it. */
	readonly failures: unknown[];
	/** Turns the clock on, a tick at a time. */
	advance(milliseconds: number): void;
	/** Turns the clock on in one step, as after a time in which the process did not run. */
	stall(milliseconds: number): void;
	/** Gives these bytes to the tunnel as one read of that side's socket. */
	read(side: Side, bytes: Buffer): boolean;
}

/** Opens one; everything is destroyed at the end of the test. */
export async function openTunnel(changes: Partial<TunnelOptions> = {}): Promise<TestTunnel> {
	const [clientSocket, clientPeer] = await socketPair();
	const [backendSocket, backendPeer] = await socketPair();
	let now = 1_000;
	const wheel = new TimerWheel(() => now);
	const outcomes: Outcome[] = [];
	const pongs: { side: Side; seconds: number }[] = [];
	const failures: unknown[] = [];
	const tunnel = new Tunnel(clientSocket, backendSocket, { ...OPTIONS, ...changes }, wheel, {
		tunnelEnded: (_, outcome) => void outcomes.push(outcome),
		tunnelPaused: () => undefined,
		tunnelPonged: (_, side, seconds) => void pongs.push({ side, seconds }),
		tunnelLimited: () => undefined,
		tunnelFailed: (_, error) => void failures.push(error),
	});
	tunnel.start([], []);
	onTestFinished(() => {
		tunnel.destroy("killed");
		clientPeer.tcp.destroy();
		backendPeer.tcp.destroy();
	});
	const advance = (milliseconds: number): void => {
		for (const end = now + milliseconds; now < end; ) {
			now = Math.min(end, now + 50);
			wheel.tick();
		}
	};
	return {
		tunnel,
		client: clientPeer,
		backend: backendPeer,
		outcomes,
		pongs,
		failures,
		advance,
		stall: (milliseconds) => {
			now += milliseconds;
			wheel.tick();
		},
		read: (side, bytes) => tunnel[side].receive(Buffer.from(bytes), bytes.length, false),
	};
}

/** Two ends of one TCP connection: the gateway's, and the far one. */
async function socketPair(): Promise<[Socket, RawPeer]> {
	const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const accepted = once(server, "connection") as Promise<[Socket]>;
	const far = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
	const [near] = await accepted;
	await once(far, "connect");
	server.close();
	far.setNoDelay(true);
	near.setNoDelay(true);
	return [near, new RawPeer(far)];
}
