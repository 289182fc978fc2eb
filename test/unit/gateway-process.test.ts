/** What several changes at once leave of a gateway's state. */
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { GatewayConfig } from "../../src/config/schema.ts";
import { GatewayProcess } from "../../src/gateway-process.ts";

function config(...upstreams: string[]): GatewayConfig {
	const pools = upstreams.map((name) => `${name}: { endpoints: ["ws://127.0.0.1:1"] }`);
	const routes = upstreams.map((name) => `{ name: ${name}, match: { path_prefix: /${name} }, upstream: ${name} }`);
	const text = `listeners: [{ address: "127.0.0.1:0" }]\nupstreams: { ${pools.join(", ")} }\nroutes: [${routes.join(", ")}]\n`;
	return loadConfig(text, "routes.yaml", {}).config as GatewayConfig;
}

function started(...upstreams: string[]): GatewayProcess {
	const serving = new GatewayProcess({ config: config(...upstreams), write: () => undefined });
	onTestFinished(async () => {
		await serving.close();
		await serving.log.stop();
	});
	return serving;
}

const stateIn = ({ gateway }: GatewayProcess, name: string) =>
	gateway.snapshot.upstreams.get(name)?.endpoints[0]?.state;

test("endpoints of a change that is prepared keep their state when discovery changes others meanwhile", async () => {
	const serving = started("one");
	const change = await serving.prepare(config("one", "two"));
	expect(serving.follow(new Map())).toBe(true);
	await change.commit();
	const state = stateIn(serving, "two");
	expect(state).toBeDefined();
	expect(state).toBe(serving.states.endpoint("two", "127.0.0.1:1"));
});

test("a change that is given up, or that cannot be prepared, leaves no state behind", async () => {
	const serving = started("one");
	await (await serving.prepare(config("one", "two"))).abandon();
	const broken = config("one", "three");
	broken.listeners.push({
		...(broken.listeners[0] as GatewayConfig["listeners"][number]),
		name: "b",
		address: { host: "203.0.113.1", port: 1 },
	} as never);
	await expect(serving.prepare(broken)).rejects.toThrow();
	const kept = stateIn(serving, "one");
	const before = serving.states.endpoint("two", "127.0.0.1:1");
	expect(serving.follow(new Map())).toBe(true);
	expect(serving.states.endpoint("two", "127.0.0.1:1")).not.toBe(before);
	expect(stateIn(serving, "one")).toBe(kept);
});
