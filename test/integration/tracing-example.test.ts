/** deploy/tracing as an operator runs it: the built gateway, the example's SDK, spans on stdout. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFiles } from "../harness/certs.ts";
import { ROOT, startNode } from "../harness/child.ts";
import { accepts } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { openRaw } from "../harness/raw-client.ts";
import { startWsBackend } from "../harness/ws-backend.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

async function start(env: Record<string, string>) {
	const { dir } = await temporaryFiles({});
	const backend = await startWsBackend();
	const port = await freePort();
	const file = join(dir, "routes.yaml");
	writeFileSync(
		file,
		`listeners: [{ address: "127.0.0.1:${port}" }]\nupstreams: { app: { endpoints: ["${backend.url}"] } }\nroutes: [{ upstream: app }]\n`,
	);
	const gateway = startNode(["--import", "./deploy/tracing/tracing.js", "dist/main.js", "run", "-c", file], {
		env,
		cwd: ROOT,
	});
	await until(() => accepts(port), { what: "the gateway to listen", timeout: 15_000 });
	return { backend, gateway, port };
}

it("traces a handshake, passes the trace on, and sends the last spans before it exits", async () => {
	const { backend, gateway, port } = await start({ OTEL_TRACES_EXPORTER: "console" });
	const client = await openRaw(port, "/", {
		headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, baggage: "tenant=acme" },
	});
	expect((await gateway.out.waitFor("ws.open")).trace_id).toBe(TRACE);
	expect(backend.requests[0]?.headers.traceparent).toMatch(
		new RegExp(`^00-${TRACE}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`),
	);
	expect(backend.requests[0]?.headers.baggage).toBe("tenant=acme");
	client.sendClose(1000);
	client.end();
	await gateway.out.waitFor("ws.close");
	gateway.kill("SIGTERM");
	expect(await gateway.exit()).toEqual({ code: 0, signal: null });
	const printed = gateway.stdout();
	expect(printed).toContain("name: 'websocket handshake'");
	expect(printed).toContain("name: 'websocket attempt'");
	expect(printed).toContain(`traceId: '${TRACE}'`);
	expect(printed).toContain("'service.name': 'clawgate'");
});

it("lets no client decide how much is recorded", async () => {
	const { backend, gateway, port } = await start({ OTEL_TRACES_EXPORTER: "console", OTEL_TRACES_SAMPLER_ARG: "0" });
	const client = await openRaw(port, "/", { headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` } });
	expect((await gateway.out.waitFor("ws.open")).trace_id).toBe(TRACE);
	expect(backend.requests[0]?.headers.traceparent).toMatch(/-00$/);
	client.sendClose(1000);
	client.end();
	await gateway.out.waitFor("ws.close");
	gateway.kill("SIGTERM");
	await gateway.exit();
	expect(gateway.stdout()).not.toContain("name: 'websocket handshake'");
});

it("does not start with an exporter that it does not know", async () => {
	const child = startNode(["--import", "./deploy/tracing/tracing.js", "dist/main.js", "check"], {
		env: { OTEL_TRACES_EXPORTER: "otpl" },
		cwd: ROOT,
	});
	expect((await child.exit()).code).not.toBe(0);
	expect(child.stderr()).toContain("OTEL_TRACES_EXPORTER is otpl; expected otlp or console");
});
