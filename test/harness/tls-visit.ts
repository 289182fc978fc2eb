/** A TLS client that comes, looks whether its session was resumed, and leaves with what it needs to come back. */
import { type ConnectionOptions, connect, type PeerCertificate, type SecureVersion } from "node:tls";
import { onTestFinished } from "vitest";
import { within } from "./poll.ts";

export interface Visit {
	readonly resumed: boolean;
	/** For {@link VisitOptions.session} of the next visit. */
	readonly session: Buffer;
	/** What the server showed; empty when the session was resumed with TLS 1.2. */
	readonly certificate: PeerCertificate;
	readonly cipher: string;
	/** The answer to a plain `GET /`, as far as its head. */
	readonly head: string;
}

export interface VisitOptions extends ConnectionOptions {
	/** Only this version. */
	version?: SecureVersion;
}

/**
 * Opens TLS, sends a request, and ends.
 * @throws Error when the gateway ends the connection first
 */
export async function visit(port: number, { version, ...options }: VisitOptions = {}): Promise<Visit> {
	const socket = connect({
		port,
		host: "127.0.0.1",
		rejectUnauthorized: false,
		...(version && { minVersion: version, maxVersion: version }),
		...options,
	});
	onTestFinished(() => void socket.destroy());
	// With TLS 1.3 tickets come after the handshake; the one that counts is the last.
	let session: Buffer | undefined;
	socket.on("session", (given: Buffer) => {
		session = given;
	});
	let head = "";
	const answered = new Promise<void>((resolve, reject) => {
		socket.on("data", (chunk: Buffer) => {
			head += chunk.toString("latin1");
			if (head.includes("\r\n\r\n")) resolve();
		});
		socket.on("error", reject);
		socket.on("close", () => reject(new Error("the gateway closed the connection")));
	});
	socket.write("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
	await within(answered, { what: `an answer over TLS from port ${port}` });
	const visited = {
		resumed: socket.isSessionReused(),
		session: session ?? (socket.getSession() as Buffer),
		certificate: socket.getPeerCertificate(),
		cipher: socket.getCipher().standardName,
		head,
	};
	socket.destroy();
	return visited;
}
