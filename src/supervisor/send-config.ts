/** A configuration on its way to a worker: in parts, so that neither end is kept from what else it does. */
import type { FileContent, FileContents } from "../config/files.ts";
import { configParts, PartedConfig } from "../config/parts.ts";
import type { GatewayConfig } from "../config/schema.ts";
import type { SentConfig, SentPart, WorkerHandle } from "./contract.ts";

/** A configuration, and what the supervisor knows about its world. */
export interface NextConfig {
	readonly config: GatewayConfig;
	/** The files that it names. */
	readonly contents: FileContents;
	readonly ports: SentConfig["ports"];
}

let lastNumber = 0;

/**
 * Sends all parts, one after the other; gives what `prepare` and `start` take.
 * @throws ChannelError when the worker is gone or hangs
 */
export async function sendConfig({ channel }: WorkerHandle, next: NextConfig): Promise<SentConfig> {
	const config = ++lastNumber;
	for (const file of next.contents) await channel.call("part", { config, file });
	for (const part of configParts(next.config)) await channel.call("part", { config, part });
	return { config, ports: next.ports };
}

/** What came of it at the worker's end. */
export class ReceivedConfigs {
	readonly #arriving = new Map<number, { config: PartedConfig; contents: Map<string, FileContent> }>();

	add({ config: number, part, file }: SentPart): void {
		let arriving = this.#arriving.get(number);
		if (arriving === undefined) {
			arriving = { config: new PartedConfig(), contents: new Map() };
			this.#arriving.set(number, arriving);
		}
		if (part) arriving.config.add(part);
		if (file) arriving.contents.set(...file);
	}

	/** The whole; once. @throws Error when nothing has come */
	take({ config: number, ports }: SentConfig): NextConfig {
		const { config = new PartedConfig(), contents = new Map() } = this.#arriving.get(number) ?? {};
		this.#arriving.delete(number);
		return { config: config.whole(), contents, ports };
	}
}
