/** An import of a configuration that a test writes inline. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { loadConfig } from "../../../../src/config/load.ts";
import type { GatewayConfig, RouteConfig } from "../../../../src/config/schema.ts";
import { formatNotes, type Imported, importNginx } from "../../../../src/import/nginx/index.ts";
import { temporaryFiles } from "../../../harness/certs.ts";

export interface Result extends Imported {
	/** The produced file, read as the gateway reads it. */
	readonly config: GatewayConfig;
	/** The lines for standard error. */
	readonly lines: readonly string[];
	readonly folder: string;
	route(name: string): RouteConfig;
}

/** Imports `nginx.conf`; what it makes has to pass `clawgate check` without a warning. */
export async function imported(
	text: string,
	more: { files?: Record<string, string>; main?: string; listen?: string } = {},
): Promise<Result> {
	const { dir } = await temporaryFiles({});
	const main = more.main ?? "nginx.conf";
	for (const [name, content] of Object.entries({ [main]: text, ...more.files })) {
		mkdirSync(dirname(join(dir, name)), { recursive: true });
		writeFileSync(join(dir, name), content, { mode: 0o600 });
	}
	const result = importNginx(main, dir, { listen: more.listen });
	const { config, problems } = loadConfig(result.text ?? "", join(dir, "routes.yaml"), {});
	expect(problems, result.text).toEqual([]);
	return {
		...result,
		config: config as GatewayConfig,
		lines: formatNotes(result.notes),
		folder: dir,
		route: (name) => {
			const found = config?.routes.find((route) => route.name === name);
			if (!found) throw new Error(`there is no route ${name} in\n${result.text}`);
			return found;
		},
	};
}

/** One server with these lines in it, and a location `/` that goes to a backend, with `inside` in it. */
export function server(lines: string, inside = "", around = ""): string {
	return `events {}\nhttp {\n${around}\nserver {\nlisten 8080;\n${lines}\nlocation / {\nproxy_pass http://127.0.0.1:9001;\nproxy_set_header Upgrade $http_upgrade;\n${inside}\n}\n}\n}\n`;
}
