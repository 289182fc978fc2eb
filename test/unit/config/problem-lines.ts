/** What the tests of config/ share: problems as the lines an operator reads. */
import { loadConfig } from "../../../src/config/load.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import type { GatewayConfig } from "../../../src/config/schema.ts";

type Env = Record<string, string | undefined>;

/** The problems of a text as lines, without the file name: `3:5: routes[0].name: …`. */
export function problemLines(text: string, env: Env = {}, file = "f.yaml"): string[] {
	return loadConfig(text, file, env).problems.map((problem) => formatProblem(problem).slice(file.length + 1));
}

/** The configuration of a text without mistakes. */
export function configOf(text: string, env: Env = {}, file = "f.yaml"): GatewayConfig {
	const { config, problems } = loadConfig(text, file, env);
	if (!config) throw new Error(problems.map(formatProblem).join("\n"));
	return config;
}

/** The smallest file. */
export const SMALLEST = `listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
routes: [{ match: { path_prefix: / }, upstream: chat }]
`;

/** Listener and upstream on lines 1 and 2; routes follow. */
export const BEFORE_ROUTES = `listeners: [{ address: ":8080" }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"] } }
`;

/** A route's further keys, from line 6 column 5. */
export function routeWith(lines: string): string {
	return `${BEFORE_ROUTES}routes:\n  - match: { path: /a }\n    upstream: chat\n    ${lines}\n`;
}
