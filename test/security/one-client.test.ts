/** A client whose requests make an endpoint fail takes it away from nobody else. */
import { expect, test } from "vitest";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { ownAddress } from "../harness/ports.ts";
import { echoingFrames, refusing, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";

async function ask(gateway: TestGateway, path: string, localAddress: string): Promise<number> {
	const client = await connectRaw({ port: gateway.port, localAddress });
	const { status } = await client.handshake(path);
	client.reset();
	return status;
}

const CONFIGURED = [
	["outlier_detection", "outlier_detection: { consecutive_failures: 1, base_ejection_time: 60s }", "endpoint.ejected"],
	["circuit_breaker", "circuit_breaker: { minimum_handshakes: 1 }", "breaker.open"],
];

test.each(CONFIGURED)("%s: one address alone, however often it fails; two do", async (_name, options, event) => {
	const backend = await startRawBackend(refusing(500));
	const other = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}", "${other.url}"], ${options} } }
		routes: [{ match: { path_prefix: / }, upstream: app, retries: { attempts: 1 } }]
	`);
	const [one, two] = [ownAddress(), ownAddress()];
	for (let i = 0; i < 40; i++) await ask(gateway, "/poison", one);
	expect(gateway.lines.of(event as string)).toEqual([]);
	for (let i = 0; i < 2; i++) await ask(gateway, "/poison", two);
	expect(gateway.lines.of(event as string)).toHaveLength(1);
});
