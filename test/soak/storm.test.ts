/** Five thousand clients of a backend that is killed and comes back, all reconnecting at once. */
import { expect, onTestFinished, test } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { startCli } from "../harness/child.ts";
import { accepts, dedent } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { busiestSecond, type Manners, StormClient, startStormBackend } from "../harness/storm.ts";

const CLIENTS = 5_000;
const RATE = 200;
const LEAST_SECONDS = CLIENTS / RATE;

test.each<Manners>(["honours Retry-After", "retries after a second"])(
	"each client %s: the backend never sees more than 1.1 × 200 in a second, and all are back within 25 s + 20 %%",
	async (manners) => {
		const before = await startStormBackend();
		const port = await freePort();
		const files = await temporaryFiles({
			"routes.yaml": dedent(`
				log: { level: error }
				listeners: [{ address: "127.0.0.1:${port}" }]
				upstreams:
					app: { endpoints: ["ws://127.0.0.1:${before.port}"], max_handshakes_per_second: ${RATE} }
				routes: [{ match: { path_prefix: / }, upstream: app }]
				shutdown: { drain: { spread: 0s } }
			`),
		});
		const gateway = startCli(["run", "-c", files["routes.yaml"]]);
		await until(() => accepts(port), { what: "the gateway to listen", timeout: 15_000 });
		const refusals: Record<string, number> = {};
		const clients = Array.from({ length: CLIENTS }, () => new StormClient(port, manners, refusals));
		onTestFinished(() => {
			for (const client of clients) client.stop();
		});
		const allIn = (timeout: number) =>
			until(() => clients.every(({ inSince }) => inSince !== undefined), { timeout, what: "every client to be in" });
		const report = (what: string, from: number, times: readonly number[]): void => {
			const seconds = ((performance.now() - from) / 1_000).toFixed(1);
			const tries = clients.reduce((sum, client) => sum + client.tries, 0);
			console.log(
				`${manners}, ${what}: all in after ${seconds} s, at most ${busiestSecond(times)} in a second, ` +
					`${tries} handshakes, refused ${JSON.stringify(refusals)}`,
			);
		};

		const first = performance.now();
		await allIn(2_000 * LEAST_SECONDS);
		report("first", first, (await before.seen()).times);

		before.child.kill("SIGKILL");
		await until(() => clients.every(({ inSince }) => inSince === undefined), { what: "every client to lose it" });
		const after = await startStormBackend(before.port);
		const restarted = performance.now();
		await allIn(2_000 * LEAST_SECONDS);
		const seconds = (performance.now() - restarted) / 1_000;
		const { times, open } = await after.seen();
		report("after the restart", restarted, times);
		expect([times.length, open]).toEqual([CLIENTS, CLIENTS]);
		expect(busiestSecond(times)).toBeLessThanOrEqual(RATE * 1.1);
		expect(seconds).toBeLessThanOrEqual(LEAST_SECONDS * 1.2);
		for (const client of clients) client.stop();
		gateway.kill("SIGTERM");
		expect(await gateway.exit(60_000)).toEqual({ code: 0, signal: null });
	},
);
