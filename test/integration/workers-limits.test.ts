/** `limits` hold for the whole gateway, exactly, although several workers take the connections. */
import { expect, test } from "vitest";
import { until } from "../harness/poll.ts";
import { echoingFrames, readRequest, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, type HandshakeOptions, type RawClient } from "../harness/raw-client.ts";
import { SECRET, token } from "../harness/tokens.ts";
import { startWorkerGateway, type WorkerGateway } from "../harness/worker-gateway.ts";

const WORKERS = 3;
const LIMIT = 20;
const TRIES = 60;

interface Answered {
	readonly client: RawClient;
	readonly status: number;
	readonly retryAfter: string | undefined;
}

interface From {
	readonly localAddress?: string;
	readonly handshake?: HandshakeOptions;
}

/** So many opening handshakes at once. */
function knock(gateway: WorkerGateway, count: number, from: (index: number) => From = () => ({})): Promise<Answered[]> {
	return Promise.all(
		Array.from({ length: count }, async (_, index) => {
			const { localAddress, handshake } = from(index);
			const client = await connectRaw({ port: gateway.port, ...(localAddress && { localAddress }) });
			const head = await client.handshake("/", { timeout: 15_000, ...handshake });
			return { client, status: head.status, retryAfter: head.header("retry-after") };
		}),
	);
}

const count = (answers: readonly Answered[], status: number) => answers.filter((one) => one.status === status).length;
const opened = (answers: readonly Answered[]) => answers.filter(({ status }) => status === 101);

async function start(route: string) {
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startWorkerGateway(
		WORKERS,
		`
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes:
			- name: app
				upstream: app
				${route}
	`,
	);
	return { backend, gateway };
}

/** How many of them are still open. */
const alive = (clients: readonly Answered[]) =>
	clients.filter(({ client }) => client.ending === "open" && !client.closed);

const limits: [string, string, number, () => Promise<(index: number) => From>][] = [
	["connections", `limits: { connections: ${LIMIT} }`, 503, async () => () => ({})],
	[
		"connections_per_ip",
		`limits: { connections_per_ip: ${LIMIT} }`,
		429,
		async () => () => ({ localAddress: "127.0.0.2" }),
	],
	[
		"connections_per_user",
		`auth: { jwt: { secret: "${SECRET}" } }\n\t\t\t\tlimits: { connections_per_user: ${LIMIT} }`,
		429,
		async () => {
			const headers = { Authorization: `Bearer ${await token({ sub: "ada" })}` };
			return (index) => ({ localAddress: `127.0.0.${(index % 9) + 1}`, handshake: { headers } });
		},
	],
];

test.each(limits)(
	`%s: of ${TRIES} at once exactly ${LIMIT} get in; a killed worker's places come back, no more and no less`,
	{ timeout: 60_000 },
	async (_, route, status, who) => {
		const from = await who();
		const { gateway } = await start(route);
		const first = await knock(gateway, TRIES, from);
		expect([count(first, 101), count(first, status)]).toEqual([LIMIT, TRIES - LIMIT]);
		for (const { status: got, retryAfter } of first) if (got !== 101) expect(Number(retryAfter)).toBeGreaterThan(0);

		// A place that one worker gives back is free for all.
		for (const { client } of opened(first).slice(0, 5)) client.reset();
		await until(() => gateway.lines.of("ws.close").length === 5, { what: "five to be over" });
		const second = await knock(gateway, TRIES, from);
		expect(count(second, 101)).toBe(5);

		const before = [...opened(first).slice(5), ...opened(second)];
		expect(alive(before)).toHaveLength(LIMIT);
		// Some handshakes are under way when it dies: what they were granted must not be lost either.
		const during = knockAnyway(gateway, 30, from);
		await gateway.killWorker();
		await during;
		await until(() => alive(before).length < LIMIT, { what: "the worker's connections to be gone" });
		const third = await knock(gateway, TRIES, from);
		const held = [...before, ...(await during), ...third];
		await until(() => alive(held.filter(({ status: got }) => got === 101)).length === LIMIT, {
			what: `${LIMIT} connections again, not ${alive(held.filter(({ status: got }) => got === 101)).length}`,
		});
		expect(count(third, 101) + count(third, status)).toBe(TRIES);
		await gateway.stop({ paired: false });
	},
);

/** Like {@link knock}, while a worker may die under it: those without an answer are left out. */
async function knockAnyway(gateway: WorkerGateway, tries: number, from: (index: number) => From): Promise<Answered[]> {
	const answers = await Promise.allSettled(
		Array.from({ length: tries }, async (_, index) => {
			const { handshake, ...rest } = from(index);
			const patience = { ...rest, handshake: { ...handshake, timeout: 3_000 } };
			return (await knock(gateway, 1, () => patience))[0] as Answered;
		}),
	);
	return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

test(`new_connections_per_ip: a burst of ${LIMIT} is one burst, whichever workers it comes to`, {
	timeout: 30_000,
}, async () => {
	const { gateway } = await start(`limits: { new_connections_per_ip: { rate: 1/h, burst: ${LIMIT} } }`);
	const first = await knock(gateway, TRIES, () => ({ localAddress: "127.0.0.2" }));
	expect([count(first, 101), count(first, 429)]).toEqual([LIMIT, TRIES - LIMIT]);
	await gateway.killWorker();
	// What was used up stays used up.
	expect(count(await knock(gateway, TRIES, () => ({ localAddress: "127.0.0.2" })), 101)).toBe(0);
	expect(count(await knock(gateway, TRIES), 101)).toBe(LIMIT);
	await gateway.stop({ paired: false });
});

test("a handshake whose client leaves gives its places back, in every worker", { timeout: 30_000 }, async () => {
	const seen: number[] = [];
	const slow = await startRawBackend(async (peer, index) => {
		await readRequest(peer);
		seen.push(index);
	});
	const gateway = await startWorkerGateway(
		WORKERS,
		`
		upstreams: { app: { endpoints: ["${slow.url}"] } }
		routes: [{ upstream: app, limits: { connections: 6, connections_per_ip: 6 } }]
	`,
	);
	for (let round = 1; round <= 5; round++) {
		const leaving: RawClient[] = [];
		for (let i = 0; i < 6; i++) {
			const client = await connectRaw({ port: gateway.port });
			client.write(client.handshakeHead());
			leaving.push(client);
		}
		// All six reach the backend each time: no place was lost in the round before.
		await until(() => seen.length === 6 * round, { what: `the handshakes of round ${round} at the backend` });
		expect(count(await knock(gateway, 3), 429)).toBe(3);
		for (const client of leaving) client.reset();
		await until(() => gateway.lines.of("ws.reject").filter(({ code }) => code === "CLIENT_GONE").length === 6 * round, {
			what: "the clients to be missed",
		});
	}
	await gateway.stop();
});
