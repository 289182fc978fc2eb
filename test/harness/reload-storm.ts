/** Many reloads under live connections, in any size: the small one is in `npm test`, the long one in the soak. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Certificate, certificate } from "./certs.ts";
import { type Child, ROOT, startNode } from "./child.ts";
import { accepts } from "./gateway.ts";
import { until } from "./poll.ts";
import { freePort } from "./ports.ts";
import { Talker } from "./talker.ts";
import { startWsBackend } from "./ws-backend.ts";

export interface StormOptions {
	readonly connections: number;
	readonly reloads: number;
	/** Milliseconds between two messages of one connection. */
	readonly pace: number;
}

export interface StormResult {
	readonly sent: number;
	readonly echoed: number;
	/** Echoes that came in the wrong order, or twice. */
	readonly wrong: number;
	/** Connections that ended. */
	readonly closed: number;
	/** MiB in use after a collection, after a tenth of the reloads and at the end. */
	readonly heapEarly: number;
	readonly heapLate: number;
	readonly seconds: number;
}

/**
 * Runs a gateway as an operator does, opens echoing connections, and reloads it with changed other routes, upstreams and
 * certificates while they talk.
 */
export async function reloadStorm({ connections, reloads, pace }: StormOptions): Promise<StormResult> {
	const backend = await startWsBackend({});
	const folder = mkdtempSync(join(tmpdir(), "clawgate-storm-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const pairs = [await certificate(["a.test"]), await certificate(["b.test"])];
	const [port, tlsPort] = [await freePort(), await freePort()];
	const file = join(folder, "routes.yaml");
	const configure = (round: number): void => {
		const pair = pairs[round % 2] as Certificate;
		writeFileSync(join(folder, "tls.key"), pair.key);
		writeFileSync(join(folder, "tls.pem"), pair.cert);
		writeFileSync(file, configuration(round, port, tlsPort, backend.url));
	};
	configure(0);
	const preload = ["--expose-gc", "--import", `${ROOT}test/harness/memory-on-signal.js`];
	const gateway = startNode([...preload, `${ROOT}dist/main.js`, "run", "-c", file]);
	await until(() => accepts(port), { what: "the gateway to listen", timeout: 15_000 });

	const talkers = await Promise.all(
		Array.from({ length: connections }, () => Talker.open(`ws://127.0.0.1:${port}/live`)),
	);
	const talking = setInterval(() => {
		for (const talker of talkers) talker.say();
	}, pace);
	const startedAt = performance.now();
	let heapEarly = 0;
	for (let round = 1; round <= reloads; round++) {
		configure(round);
		gateway.kill("SIGHUP");
		await until(() => rounds(gateway) >= round, { timeout: 30_000, what: `reload ${round} of ${reloads}` });
		if (round === Math.ceil(reloads / 10)) heapEarly = await heapOf(gateway);
	}
	const heapLate = await heapOf(gateway);
	const seconds = (performance.now() - startedAt) / 1000;
	clearInterval(talking);
	await until(() => talkers.every((talker) => talker.echoed === talker.sent), {
		timeout: 10_000,
		what: "the last echoes",
	}).catch(() => undefined);
	const sum = (of: (talker: Talker) => number) => talkers.reduce((total, talker) => total + of(talker), 0);
	const result = {
		sent: sum(({ sent }) => sent),
		echoed: sum(({ echoed }) => echoed),
		wrong: sum(({ wrong }) => wrong),
		closed: sum(({ open }) => (open ? 0 : 1)),
		heapEarly,
		heapLate,
		seconds,
	};
	for (const { socket } of talkers) socket.terminate();
	gateway.kill("SIGTERM");
	await gateway.exit(30_000);
	return result;
}

/** How many reloads a configuration of this storm has lived through: each one names its round. */
function rounds(gateway: Child): number {
	return gateway.out.of("config.reload").length;
}

async function heapOf(gateway: Child): Promise<number> {
	const before = gateway.out.of("test.memory").length;
	gateway.kill("SIGUSR2");
	await until(() => gateway.out.of("test.memory").length > before, { what: "the gateway's memory" });
	return (gateway.out.of("test.memory").at(-1)?.heapUsed as number) / 2 ** 20;
}

/** Everything but the route `live` is different in each round. */
function configuration(round: number, port: number, tlsPort: number, live: string): string {
	const others = Array.from({ length: 1 + (round % 5) }, (_, i) => `other-${round}-${i}`);
	return [
		"listeners:",
		`  - { name: main, address: "127.0.0.1:${port}" }`,
		`  - { name: tls, address: "127.0.0.1:${tlsPort}", tls: { certificates: [{ cert: tls.pem, key: tls.key }] } }`,
		"upstreams:",
		`  live: { endpoints: ["${live}"] }`,
		...others.map((name, i) => `  ${name}: { endpoints: ["ws://127.0.0.1:${1024 + round + i}"] }`),
		"routes:",
		...others.map((name) => `  - { name: ${name}, match: { path_prefix: /${name} }, upstream: ${name} }`),
		"  - { name: live, match: { path: /live }, upstream: live }",
		"",
	].join("\n");
}
