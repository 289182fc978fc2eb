/** `clawgate doctor` against the gateway itself, and what it prints for people. */
import { expect, test } from "vitest";
import { runCommand } from "../../src/cli/index.ts";
import { certificate, temporaryFiles } from "../harness/certs.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { closedPort } from "../harness/ports.ts";
import { startRawBackend } from "../harness/raw-backend.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { diagnose, expectHealthy, expectProblem, run } from "./doctor.fixtures.ts";

async function start(url: string, route = "", listener = "") {
	return startTestGateway(`
		listeners: [{ address: "127.0.0.1:0"${listener} }]
		upstreams: { app: { endpoints: ["${url}"] } }
		routes:
			- match: { path_prefix: /ws }
				upstream: app
				${route}
	`);
}

test("a healthy WebSocket through the gateway", async () => {
	const { url } = await startWsBackend({ handleProtocols: () => "chat.v2" });
	const gateway = await start(url);
	const { steps } = await expectHealthy(gateway.url("/ws"), ["--subprotocol", "chat.v2"]);
	expect(steps.map(({ id }) => id)).toEqual(["url", "dns", "tcp", "answer", "handshake", "ping", "close"]);
	for (const { status, seen } of steps) {
		expect(status).toBe("ok");
		expect(seen.length).toBeGreaterThan(5);
	}
	const closed = await gateway.waitForLog("ws.close");
	expect(closed).toMatchObject({ close_code: 1000, close_initiator: "client", termination: "normal" });
	await gateway.expectQuiet();
});

test("a healthy WebSocket through the gateway with TLS", async () => {
	const { url } = await startWsBackend();
	const ca = await certificate(["Test authority"], { isCa: true });
	const { cert, key } = await certificate(["127.0.0.1"], { ca });
	const files = await temporaryFiles({ "a.pem": cert, "a.key": key, "ca.pem": ca.cert });
	const tls = `, tls: { certificates: [{ cert: "${files["a.pem"]}", key: "${files["a.key"]}" }] }`;
	const gateway = await start(url, "", tls);
	const { step } = await expectHealthy(gateway.url("/ws", "wss"), ["--ca", files["ca.pem"]]);
	expect(step("tls").seen).toMatch(/^TLSv1\.[23], certificate for 127\.0\.0\.1, issued by Test authority, valid until/);
	await gateway.expectQuiet();
});

test("what the gateway refuses, by its own codes", async () => {
	const { url } = await startWsBackend();
	const gateway = await start(url);
	const missing = await expectProblem(gateway.url("/other"), "not-found");
	expect(missing.step("answer").advice[0]).toMatch(/NO_ROUTE.*clawgate explain/);
	const denied = await expectProblem(gateway.url("/ws"), "origin-denied", ["--origin", "https://evil.example"]);
	expect(denied.step("answer").seen).toContain("ORIGIN_DENIED");
	await gateway.expectQuiet();
});

test("the gateway before servers that are down, silent, or drop what they accepted", async () => {
	const down = await start(`ws://127.0.0.1:${await closedPort()}`);
	const { step } = await expectProblem(down.url("/ws"), "bad-gateway");
	expect(step("answer").seen).toContain("CONNECT_FAILED");

	const silent = await startRawBackend(() => {});
	const slow = await start(silent.url, "timeouts: { handshake: 200ms }");
	expect((await expectProblem(slow.url("/ws"), "gateway-timeout")).step("answer").seen).toContain("HANDSHAKE_TIMEOUT");

	const dropping = await startWsBackend({ onConnection: (socket) => setTimeout(() => socket.terminate(), 20) });
	const lost = await start(dropping.url);
	await expectProblem(lost.url("/ws"), "dropped-at-once");
	await lost.expectQuiet();
});

test("the gateway's idle time, told by its Close frame", async () => {
	const { url } = await startWsBackend();
	const gateway = await start(url, "timeouts: { idle: 500ms }");
	const { step } = await expectProblem(gateway.url("/ws"), "idle-closed", ["--hold", "8s"]);
	expect(step("hold").seen).toMatch(/Close 1001 "idle/);
	await gateway.expectQuiet();
});

test("a report for people: a line for each step, then what is wrong and what to do", async () => {
	const { port } = await startWsBackend();
	const good = await run([`ws://127.0.0.1:${port}/`]);
	expect(good).toMatchObject({ code: 0, err: "" });
	const lines = good.out.split("\n");
	expect(lines.slice(0, 6).map((line) => line.split(/\s+/).slice(0, 2).join(" "))).toEqual([
		...["ok URL", "ok DNS", "ok TCP", "ok answer", "ok handshake", "ok ping"],
	]);
	expect(good.out).toContain("Healthy.");
	expect(good.out).not.toContain("\u001b");
	expect(good.out).not.toContain("> GET");
	expect((await run(["-v", `ws://127.0.0.1:${port}/`])).out).toMatch(/> GET \/ HTTP\/1\.1\n[\s\S]*< HTTP\/1\.1 101/);

	const bad = await run([`ws://127.0.0.1:${await closedPort()}/`]);
	expect(bad.code).toBe(1);
	expect(bad.out).toMatch(
		/problem {2}TCP [\s\S]*What is wrong\n {2}Nothing listens on this port\. \[tcp-refused\]\nWhat to do\n {2}- /,
	);
	expect(bad.out).not.toContain("Healthy.");
});

test("colours on a terminal, unless NO_COLOR is set, and progress while the connection is kept", async () => {
	const { port } = await startWsBackend();
	const runOn = async (terminal: boolean, env: Record<string, string>): Promise<{ out: string; err: string }> => {
		let out = "";
		let err = "";
		const code = await runCommand(["doctor", "--hold", "100ms", `ws://127.0.0.1:${port}/`], {
			stdout: (text) => {
				out += text;
			},
			stderr: (text) => {
				err += text;
			},
			env,
			cwd: "/",
			terminal: { stdout: terminal, stderr: terminal },
		});
		expect(code).toBe(0);
		return { out, err };
	};
	const coloured = await runOn(true, {});
	expect(coloured.out).toContain("\u001b[32mok     \u001b[0m");
	expect(coloured.err).toContain("held for 0 s of 0.1 s");
	expect((await runOn(true, { NO_COLOR: "1" })).out).not.toContain("\u001b");
	expect(await runOn(false, {})).toMatchObject({ out: expect.not.stringContaining("\u001b"), err: "" });
});

test("the help and the list of causes", async () => {
	expect((await run(["--help"])).out).toMatch(/^Usage: clawgate doctor/);
	const causes = await run(["--causes"]);
	expect(causes.code).toBe(0);
	expect(causes.out).toContain("**`cert-expired`** (problem)");
});

test("JSON has id, status, seen and advice for each step", async () => {
	const { steps } = await diagnose(`ws://127.0.0.1:${await closedPort()}/`);
	for (const { id, status, seen, advice, ms } of steps) {
		expect([typeof id, typeof status, typeof seen, Array.isArray(advice), typeof ms]).toEqual([
			...["string", "string", "string", true, "number"],
		]);
	}
});
