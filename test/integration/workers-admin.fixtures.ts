/** A gateway of three workers with an admin port, and clients that know which worker they are at. */
import { expect } from "vitest";
import type { LogRecord } from "../harness/log-lines.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { SECRET } from "../harness/tokens.ts";
import { startWorkers, type WorkersGateway } from "../harness/workers.ts";
import { startWsBackend, type WsBackend } from "../harness/ws-backend.ts";
import { openWs, type WsClient } from "../harness/ws-client.ts";
import { type ApiAnswer, type Ask, api } from "./admin.fixtures.ts";

export const WORKERS = 3;

export interface AdminStage {
	readonly gateway: WorkersGateway;
	readonly port: number;
	readonly backends: readonly [WsBackend, WsBackend];
	/** `http://127.0.0.1:port` */
	readonly admin: string;
	ask(path: string, ask?: Ask): Promise<ApiAnswer>;
	open(path?: string, headers?: Record<string, string>): Promise<WsClient>;
	/** One after the other; connections are given to the workers in turn, so that each has as many. */
	openMany(count: number, path?: (index: number) => string): Promise<WsClient[]>;
	metrics(): Promise<string>;
	/** Kills a worker as a crash does; gives the `worker.exit` line. */
	killWorker(pid?: number): Promise<LogRecord>;
	/** Reloads with a changed file; gives the `config.reload` line. */
	reload(change: (yaml: string) => string): Promise<LogRecord>;
	/** Stops it as an operator does, and expects that it ends well. */
	stop(): Promise<void>;
}

/** Routes /chat and /news to one upstream of two endpoints, and /guarded that wants a token. */
export async function startStage(): Promise<AdminStage> {
	const backends = [await startWsBackend(), await startWsBackend()] as const;
	const [port, adminPort] = [await freePort(), await freePort()];
	const yaml = [
		`workers: ${WORKERS}`,
		`listeners: [{ name: public, address: "127.0.0.1:${port}" }]`,
		"shutdown: { drain: { timeout: 1s, spread: 0s } }",
		`admin: { address: "127.0.0.1:${adminPort}" }`,
		`upstreams: { pool: { endpoints: ["${backends[0].url}", "${backends[1].url}"] } }`,
		"routes:",
		"  - { name: chat, match: { path_prefix: /chat }, upstream: pool, drain: { spread: 0s, timeout: 5s } }",
		"  - { name: news, match: { path_prefix: /news }, upstream: pool }",
		`  - { name: guarded, match: { path_prefix: /guarded }, upstream: pool, auth: { jwt: { secret: "${SECRET}" } } }`,
	].join("\n");
	const gateway = await startWorkers(yaml, port);
	const ask = (path: string, more?: Ask) => api({ adminPort }, path, more);
	// The admin port opens when all workers serve.
	const isReady = async () => (await ask("/readyz").catch(() => undefined))?.status === 200;
	await until(isReady, { timeout: 30_000, what: "the gateway to be ready" });
	const open = (path = "/chat", headers = {}) => openWs(`ws://127.0.0.1:${port}${path}`, [], { headers });
	return {
		gateway,
		port,
		backends,
		admin: `http://127.0.0.1:${adminPort}`,
		ask,
		open,
		openMany: async (count, path = () => "/chat") => {
			const clients: WsClient[] = [];
			for (let i = 0; i < count; i++) clients.push(await open(path(i)));
			return clients;
		},
		metrics: async () => (await ask("/metrics")).text,
		killWorker: (pid = gateway.pids()[0]) => {
			if (pid === undefined) throw new Error("there is no worker");
			process.kill(pid, "SIGKILL");
			return gateway.child.out.waitFor(({ event, pid: gone }) => event === "worker.exit" && gone === pid);
		},
		reload: (change) => gateway.change(change(yaml)),
		stop: async () => {
			gateway.child.kill("SIGTERM");
			expect(await gateway.child.exit(20_000)).toEqual({ code: 0, signal: null });
		},
	};
}
