/** A backend whose host is there but does not answer: `timeouts.connect`. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startNode } from "../harness/child.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";

function start(urls: readonly string[], route = "") {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: [${urls.map((url) => JSON.stringify(url)).join(", ")}] } }
		routes:
			- match: { path_prefix: / }
				upstream: app
				timeouts: { connect: 300ms, handshake: 500ms }
				${route}
	`);
}

test.runIf(process.platform === "linux")(
	"a backend whose host does not answer the SYN: timeouts.connect, then the second",
	async () => {
		// A process that is stopped, with a full accept queue: the kernel drops further SYNs.
		const code = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })`;
		const child = startNode(["-e", code]);
		const port = Number(await until(() => child.stdout().trim(), { what: "the child's port" }));
		child.kill("SIGSTOP");
		const fillers: Socket[] = [];
		onTestFinished(() => {
			for (const filler of fillers) filler.destroy();
		});
		await until(
			async () => {
				const filler = connect(port, "127.0.0.1");
				filler.on("error", () => {});
				fillers.push(filler);
				return await within(once(filler, "connect"), { timeout: 200, what: "a connect" }).then(
					() => false,
					() => true,
				);
			},
			{ timeout: 10_000, what: "a full accept queue" },
		);
		const good = await startRawBackend(echoingFrames());
		const gateway = await start([`ws://127.0.0.1:${port}`, good.url]);
		for (let i = 0; i < 2; i++) (await openRaw(gateway.port, "/", { timeout: 4_000 })).reset();
		const opened = await gateway.waitForLog((record) => record.event === "ws.open" && record.attempts?.length === 2);
		expect(opened.attempts).toMatchObject([{ outcome: "connect_failure" }, { outcome: "ok" }]);
		expect(opened.attempts?.[0]?.ms).toBeGreaterThan(250);
		await gateway.expectQuiet();

		const alone = await start([`ws://127.0.0.1:${port}`], "retries: { attempts: 1 }");
		const client = await connectRaw({ port: alone.port });
		await expectRejection(client, await client.handshake(), 504, "CONNECT_TIMEOUT");
		await alone.expectQuiet();
	},
);
