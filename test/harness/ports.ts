/** Ports for tests. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

/** A loopback port that nobody listens on: connecting to it is refused. */
export async function closedPort(): Promise<number> {
	const server = createServer();
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

/** Below the range from which systems take ports for `listen(0)` and for outgoing connections. */
const OWN_PORTS = { first: 10_240, last: 32_000 };

/**
 * A port to listen on, for a child process that cannot report which one it got. No other test gets it by chance before
 * the child has it.
 */
export async function freePort(): Promise<number> {
	for (;;) {
		const port = OWN_PORTS.first + Math.floor(Math.random() * (OWN_PORTS.last - OWN_PORTS.first));
		const server = createServer();
		const listening = once(server, "listening").then(
			() => true,
			() => false,
		);
		server.listen(port, "127.0.0.1");
		if (!(await listening)) continue;
		server.close();
		await once(server, "close");
		return port;
	}
}

let addresses = 0;

/** A loopback address that no other call in this process has given: a client of its own for the gateway (Linux). */
export function ownAddress(): string {
	addresses++;
	return `127.${1 + ((addresses >> 16) & 0x7f)}.${(addresses >> 8) & 0xff}.${addresses & 0xff}`;
}
