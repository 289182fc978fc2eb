import { describe, expect, it } from "vitest";
import { certificateName, discoveryOptions } from "../../../../src/upstreams/discovery/index.ts";
import { withDiscovered } from "../../../../src/upstreams/discovery/merge.ts";
import { type EndpointConfig, endpointOptions } from "../../../../src/upstreams/endpoint.ts";

const parse = (...written: unknown[]): EndpointConfig[] => written.map((endpoint) => endpointOptions.parse(endpoint));
const discovery = { type: "dns" };

describe("withDiscovered", () => {
	it("puts what was found behind what was written", () => {
		const config = { workers: 1, upstreams: { chat: { endpoints: parse("ws://a:1"), discovery } } };
		const found = new Map([["chat", parse("ws://10.0.0.1:1", "ws://10.0.0.2:1")]]);
		const merged = withDiscovered(config, found);
		expect(merged.workers).toBe(1);
		expect(merged.upstreams.chat.endpoints).toEqual(parse("ws://a:1", "ws://10.0.0.1:1", "ws://10.0.0.2:1"));
		expect(config.upstreams.chat.endpoints).toEqual(parse("ws://a:1"));
	});

	it("leaves an endpoint as the operator wrote it, when discovery finds it too", () => {
		const written = parse({ url: "http://10.0.0.1", state: "drain", weight: 5 });
		const config = { upstreams: { chat: { endpoints: written, discovery } } };
		const merged = withDiscovered(config, new Map([["chat", parse("ws://10.0.0.1:80")]]));
		expect(merged.upstreams.chat.endpoints).toEqual(written);
	});

	it("leaves upstreams alone that discover nothing", () => {
		const config = { upstreams: { a: { endpoints: parse("ws://a:1") }, b: { endpoints: [], discovery } } };
		expect(withDiscovered(config, new Map([["a", parse("ws://10.0.0.1:1")]]))).toEqual(config);
	});
});

it.each([
	["chat.internal", "chat.internal"],
	["chat.internal.", "chat.internal"],
	["_wss._tcp.chat.internal", "chat.internal"],
])("a certificate of %s is for %s", (name, expected) => {
	expect(certificateName(discoveryOptions.parse({ type: "dns", name }))).toBe(expected);
});
