/** Patterns of the configuration that a client could make endless (ReDoS). */
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { temporaryFiles } from "../harness/certs.ts";
import { startCli } from "../harness/child.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { handshakeHead } from "./bad-input.ts";

const yaml = (match: string) => `
listeners: [{ address: "127.0.0.1:0" }]
upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
routes: [{ match: { ${match} }, upstream: app }]
`;

const evil = [
	"^/(a+)+$",
	"^/(a|a)*$",
	"^/(a*)*b$",
	"^/([a-z]+)*\\\\d$",
	"(.*a){20}$",
	"^/(\\\\w+\\\\s?)*$",
	"^(([a-z])+.)+[A-Z]([a-z])+$",
];

test.each(evil)("path_regex %s is refused, with its place", async (pattern) => {
	const { config, problems } = await loadConfig(yaml(`path_regex: "${pattern}"`), "routes.yaml", {});
	expect(config).toBeUndefined();
	expect(problems).toHaveLength(1);
	expect(problems[0]).toMatchObject({ line: 4, path: "routes[0].match.path_regex" });
});

test.each([
	["headers", (pattern: string) => `headers: { X-Tenant: { regex: "${pattern}" } }`],
	["query", (pattern: string) => `query: { v: { regex: "${pattern}" } }`],
] as const)("a regex of match.%s is refused by the same rule", async (_, match) => {
	const { config, problems } = await loadConfig(yaml(match("^(a+)+$")), "routes.yaml", {});
	expect(config).toBeUndefined();
	expect(problems.length).toBeGreaterThan(0);
});

test("clawgate check says so: file, line, column, exit 1", async () => {
	const { "routes.yaml": file } = await temporaryFiles({ "routes.yaml": yaml('path_regex: "^/(a+)+$"') });
	const child = startCli(["check", "-c", file]);
	expect(await child.exit()).toMatchObject({ code: 1 });
	expect(child.stdout() + child.stderr()).toMatch(/routes\.yaml:4:\d+: routes\[0\]\.match\.path_regex: /);
});

test.each(["^/rooms/\\d+$", "^/[a-z0-9-]+/ws$", "^/(chat|game)/[^/]{1,64}$", "^/(a|b)+/x$"])(
	"a pattern that is taken, %s, answers the longest hostile path at once",
	async (pattern) => {
		const gateway = await startTestGateway(`
			listeners: [{ address: "127.0.0.1:0", max_header_size: 64KiB }]
			upstreams: { app: { endpoints: ["ws://127.0.0.1:9"] } }
			routes: [{ match: { path_regex: '${pattern}' }, upstream: app }]
		`);
		for (const path of ["/", "/rooms/", "/chat/", "/"].map((start, i) => start + "1ab-"[i]?.repeat(50_000))) {
			const client = await connectRaw({ port: gateway.port });
			client.write(handshakeHead({ start: `GET ${path}! HTTP/1.1` }));
			expect((await client.readHead(2_000)).status).toBe(404);
			client.reset();
		}
		await gateway.expectQuiet();
	},
);
