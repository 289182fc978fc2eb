/** A gateway with something of everything to look at, and as many real connections as are asked for. */
import { type ReloadableGateway, startReloadable } from "../harness/reloadable.ts";
import { SECRET, token } from "../harness/tokens.ts";
import { startWsBackend, type WsBackend } from "../harness/ws-backend.ts";
import { openWs, type WsClient } from "../harness/ws-client.ts";

export interface Stage {
	readonly gateway: ReloadableGateway;
	readonly admin: string;
	readonly yaml: string;
	/** Of the upstream `chat`. */
	readonly backends: readonly WsBackend[];
	/** Open connections, in the order of opening. */
	readonly clients: WsClient[];
	/** Some connections end, in different ways. */
	churn(share: number): void;
	/** Others take the places of those that ended. */
	mend(): Promise<void>;
	/** Handshakes that are refused: unknown paths, a strange origin, no token. */
	refuse(times: number): Promise<void>;
	/** Every tenth client sends some messages, and is silent for a while, so that it is asked for a Pong. */
	chatter(): void;
}

export interface StageOptions {
	readonly connections: number;
	/** Of the admin port. */
	readonly token?: string;
}

const AT_ONCE = 50;

export async function startStage({ connections, token: adminToken = "" }: StageOptions): Promise<Stage> {
	const backends = [await startWsBackend(), await startWsBackend(), await startWsBackend()];
	const feed = await startWsBackend();
	const yaml = `
		listeners:
			- { name: public, address: "127.0.0.1:0" }
			- { name: secure, address: "127.0.0.1:0", tls: { self_signed: [chat.example.com] } }
		admin: { address: "127.0.0.1:0", token: "${adminToken}" }
		defaults: { ping: { interval: 5s, timeout: 60s, sides: [client, backend] }, retries: { attempts: 1 } }
		upstreams:
			chat:
				endpoints: [${backends.map(({ url }) => `"${url}"`).join(", ")}]
				load_balancing: { policy: least_connections }
				health_check: { type: tcp, interval: 1s }
				circuit_breaker: {}
			feed:
				endpoints: ["${feed.url}", { url: "ws://127.0.0.1:9", weight: 2 }, { url: "ws://127.0.0.1:8", state: maint }]
				health_check: { type: tcp, interval: 300ms, unhealthy_threshold: 1 }
				outlier_detection: {}
			legacy:
				endpoints: ["ws://127.0.0.1:7"]
				sticky: { cookie: {} }
		routes:
			- name: members
				match: { path_prefix: /members }
				upstream: chat
				auth: { jwt: { secret: "${SECRET}", from: [header] } }
			- { name: chat, match: { path_prefix: /chat }, upstream: chat, drain: { spread: 1s, timeout: 10s } }
			- { name: feed, match: { path_prefix: /feed, host: ["127.0.0.1", "*.feed.example.com"] }, upstream: feed }
			- { name: legacy, match: { path_prefix: /legacy }, upstream: legacy }
	`;
	const gateway = await startReloadable(yaml);
	const bearer = await token({ sub: "ada@example.com" });
	const clients: WsClient[] = [];
	let round = 0;
	for (let from = 0; from < connections; from += AT_ONCE) {
		const indexes = Array.from({ length: Math.min(AT_ONCE, connections - from) }, (_, i) => from + i);
		clients.push(...(await Promise.all(indexes.map((index) => open(gateway.port, index, bearer)))));
	}
	return {
		gateway,
		admin: `http://127.0.0.1:${gateway.handle.adminPort}/`,
		yaml,
		backends,
		clients,
		churn: (share) => {
			round++;
			const leaving = Math.ceil(clients.length * share);
			for (let i = 0; i < leaving; i++) {
				const place = (round * 37 + i * 13) % clients.length;
				const { socket } = clients[place] as WsClient;
				if (place % 5 === 0) socket.terminate();
				else socket.close(place % 3 === 0 ? 1001 : 1000);
			}
			for (const { sockets } of backends) {
				const old = sockets.find(({ readyState, OPEN }) => readyState === OPEN);
				if (round % 3 === 0) old?.close(1011, "database is away");
			}
		},
		mend: async () => {
			for (const [place, { closed }] of clients.entries()) {
				if (closed) clients[place] = await open(gateway.port, place, bearer);
			}
		},
		refuse: async (times) => {
			const refused = Array.from({ length: times }, (_, i) => refusal(gateway.port, i));
			await Promise.allSettled(refused);
		},
		chatter: () => {
			round++;
			for (const [index, { socket }] of clients.entries()) {
				const talks = index % 10 === 0 && (index / 10 + round) % 12 < 5;
				if (talks && socket.readyState === socket.OPEN) socket.send(`message ${round} of client ${index}`);
			}
		},
	};
}

/** Three of ten on the feed, one of ten signed in, the others chat; from a few addresses of this machine. */
function open(port: number, index: number, bearer: string): Promise<WsClient> {
	const path = index % 10 === 0 ? "members" : index % 10 < 4 ? "feed" : "chat";
	const headers = path === "members" ? { Authorization: `Bearer ${bearer}` } : {};
	const subprotocols = path === "feed" ? [] : [index % 3 === 0 ? "chat.v1" : "chat.v2"];
	return openWs(`ws://127.0.0.1:${port}/${path}/${index % 7}`, subprotocols, {
		headers: { ...headers, "User-Agent": `example-client/${index % 4}` },
		localAddress: `127.0.${index % 5}.${1 + (index % 50)}`,
	});
}

async function refusal(port: number, index: number): Promise<void> {
	const paths = ["nowhere", "chat", "members", "legacy"];
	const path = paths[index % paths.length];
	await openWs(`ws://127.0.0.1:${port}/${path}`, [], path === "chat" ? { origin: "https://other.example" } : {});
}
