/** A hundred thousand and more client addresses, real ones and told by a PROXY header: the limiter's tables are bounded. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { SECRET } from "../harness/tokens.ts";

const ADDRESSES = 150_000;
const BOUND = 100_000;
const AT_ONCE = 64;

/** One refused handshake; resolves with its status. */
function handshake(port: number, localAddress: string | undefined, before: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const socket = connect({ port, host: "127.0.0.1", ...(localAddress === undefined ? {} : { localAddress }) });
		let text = "";
		socket.on("error", reject);
		socket.on("data", (chunk) => {
			text += chunk;
		});
		socket.on("close", () => resolve(Number(text.split(" ")[1])));
		socket.write(
			`${before}GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
		);
	});
}

test(`${ADDRESSES} addresses: ${BOUND} entries at most, reported, and memory flat beyond`, async () => {
	const gateway = await startTestGateway(`
		log: { level: error }
		admin: { address: "127.0.0.1:0" }
		listeners:
			- { name: plain, address: "127.0.0.1:0" }
			- { name: proxied, address: "127.0.0.1:0", proxy_protocol: { trusted: [127.0.0.1] } }
		upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
		routes:
			- upstream: app
				auth: { jwt: { secret: "${SECRET}" } }
				limits: { new_connections_per_ip: { rate: 1/h, burst: 1 }, connections_per_ip: 1 }
	`);
	const metric = async (limit: string): Promise<number> => {
		const text = await (await fetch(`http://127.0.0.1:${gateway.handle.adminPort}/metrics`)).text();
		return Number(new RegExp(`clawgate_limiter_entries\\{limit="${limit}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
	};
	const ask = (index: number): Promise<number> => {
		const address = (first: number) => `${first}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255 || 1}`;
		if (index % 2 === 0) return handshake(gateway.portOf("plain"), address(127), "");
		return handshake(gateway.portOf("proxied"), undefined, `PROXY TCP4 ${address(11)} 127.0.0.1 1 2\r\n`);
	};
	const heap = (): number => {
		globalThis.gc?.();
		return process.memoryUsage().heapUsed;
	};
	const statuses = new Map<number, number>();
	let next = 0;
	let atBound = 0;
	const worker = async (): Promise<void> => {
		while (next < ADDRESSES) {
			const index = next++;
			if (index === BOUND + 5_000) atBound = heap();
			const status = await ask(index);
			statuses.set(status, (statuses.get(status) ?? 0) + 1);
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, worker));
	const entries = await metric("new_connections_per_ip");
	console.log(`statuses ${JSON.stringify([...statuses])}, entries ${entries}, heap ${atBound} then ${heap()}`);
	expect(entries).toBe(BOUND);
	expect(await metric("connections_per_ip")).toBe(0);
	expect(heap() - atBound).toBeLessThan(40 * 1024 * 1024);
});
