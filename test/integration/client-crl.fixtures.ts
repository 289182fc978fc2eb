/** One visit of a client with a certificate. */
import { connect } from "node:tls";
import { onTestFinished } from "vitest";

export interface Visit {
	readonly cert: string;
	readonly key: string;
	readonly version: "TLSv1.2" | "TLSv1.3";
	/** Of an earlier visit, to come back by. */
	readonly session?: Buffer | undefined;
}

/** Sends a handshake; gives the first line of the answer, "" when there is none, and the session to come back by. */
export async function tlsVisit(port: number, { version, session, ...rest }: Visit) {
	const socket = connect({
		...rest,
		port,
		host: "127.0.0.1",
		rejectUnauthorized: false,
		minVersion: version,
		maxVersion: version,
		...(session && { session }),
	});
	onTestFinished(() => void socket.destroy());
	let ticket: Buffer | undefined;
	socket.on("session", (made: Buffer) => {
		ticket = made;
	});
	socket.on("error", () => undefined);
	socket.write(
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	);
	const status = await new Promise<string>((resolve) => {
		socket.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1").split("\r\n")[0] ?? ""));
		socket.once("close", () => resolve(""));
	});
	socket.destroy();
	return { status, session: ticket };
}
