/** A gateway in this process whose routes.yaml is a real file in a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type GatewayHandle, startGateway } from "../../src/app.ts";
import { loadConfig, readConfig } from "../../src/config/load.ts";
import { dedent } from "./gateway.ts";
import { LogLines } from "./log-lines.ts";

export interface ReloadableGateway {
	readonly handle: GatewayHandle;
	readonly lines: LogLines;
	/** The folder of routes.yaml; certificates can be put there. */
	readonly folder: string;
	readonly port: number;
	/** Writes routes.yaml; the gateway notices by itself. */
	write(yaml: string): void;
	/** Writes routes.yaml and waits until the gateway has taken or rejected it. */
	change(yaml: string): Promise<void>;
}

/** Starts it; it stops by itself at the end of the test. `prepare` puts further files into the folder first. */
export async function startReloadable(
	yaml: string,
	prepare: (folder: string) => void = () => undefined,
): Promise<ReloadableGateway> {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-"));
	const file = join(folder, "routes.yaml");
	prepare(folder);
	const write = (text: string) => writeFileSync(file, dedent(text));
	write(yaml);
	const { config, problems } = loadConfig(dedent(yaml), file, {});
	if (!config) throw new Error(`the test's configuration is not valid: ${JSON.stringify(problems, null, 2)}`);
	const lines = new LogLines();
	const source = { file, load: () => readConfig(file, {}) };
	const handle = await startGateway({ config, source, write: (line) => lines.writeLine(line) });
	onTestFinished(async () => {
		await handle.stop({ immediately: true });
		rmSync(folder, { recursive: true });
	});
	return {
		handle,
		lines,
		folder,
		port: Object.values(handle.ports)[0] as number,
		write,
		change: async (text) => {
			const before = reloads(lines);
			write(text);
			await handle.reload("api", { force: true });
			if (reloads(lines) === before) throw new Error("the reload was neither taken nor rejected");
		},
	};
}

function reloads(lines: LogLines): number {
	return lines.records.filter(({ event }) => event === "config.reload" || event === "config.rejected").length;
}
