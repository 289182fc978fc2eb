/** A gateway in this process, made from a YAML string. */
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import { type GatewayHandle, startGateway } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { TicketKeys } from "../../src/server/ticket-keys.ts";
import type { NameServersOptions } from "../../src/sockets/name-servers.ts";
import { LogLines, type LogRecord } from "./log-lines.ts";
import { until } from "./poll.ts";

export interface TestGatewayOptions {
	/** For `${NAME}` in the YAML. */
	env?: Record<string, string>;
	/** The file name that relative paths and messages use. */
	file?: string;
	/** Stopped at the end of the test; default true. */
	autoStop?: boolean;
	/** Who is asked for the addresses of host names; by default what this machine asks. */
	nameServers?: NameServersOptions;
	/** For session tickets; its own by default. */
	ticketKeys?: TicketKeys;
}

export interface TestGateway {
	readonly handle: GatewayHandle;
	/** Parsed log lines so far. */
	readonly logs: LogRecord[];
	readonly lines: LogLines;
	/** Port of the first listener. */
	readonly port: number;
	/** Port of a listener by name. */
	portOf(listener: string): number;
	/** `ws://127.0.0.1:port/path`; another scheme when asked. */
	url(path?: string, scheme?: string): string;
	/** The first log line of an event, or that a predicate takes. */
	waitForLog(which: string | ((record: LogRecord) => boolean), timeout?: number): Promise<LogRecord>;
	stop(options?: { immediately?: boolean }): Promise<void>;
	/** Waits until no connection is left, stops, and checks that ports are closed and log lines come in pairs. */
	expectQuiet(timeout?: number): Promise<void>;
}

/** YAML written inside indented code: takes the common leading tabs away, further ones become two spaces. */
export function dedent(text: string): string {
	const lines = text.replace(/^\n/, "").split("\n");
	const depths = lines.filter((line) => line.trim() !== "").map((line) => /^\t*/.exec(line)?.[0].length ?? 0);
	const common = Math.min(...depths);
	return lines.map((line) => line.slice(common).replace(/^\t+/, (tabs) => "  ".repeat(tabs.length))).join("\n");
}

/** Starts a gateway; it stops by itself at the end of the test. */
export async function startTestGateway(yaml: string, options: TestGatewayOptions = {}): Promise<TestGateway> {
	const { config, problems } = await loadConfig(dedent(yaml), options.file ?? "test.yaml", options.env ?? {});
	if (!config) throw new Error(`the test's configuration is not valid: ${JSON.stringify(problems, null, 2)}`);
	const lines = new LogLines();
	const { ticketKeys, nameServers } = options;
	const handle = await startGateway({ config, ticketKeys, nameServers, write: (line) => lines.writeLine(line) });
	const ports = Object.values(handle.ports);
	const port = ports[0] as number;
	let stopped: Promise<void> | undefined;
	const stop = (how?: { immediately?: boolean }): Promise<void> => {
		stopped ??= handle.stop(how);
		return stopped;
	};
	if (options.autoStop !== false) onTestFinished(() => stop({ immediately: true }));
	return {
		handle,
		logs: lines.records,
		lines,
		port,
		portOf: (listener) => {
			const found = handle.ports[listener];
			if (found === undefined) throw new Error(`no listener ${listener}; there are ${Object.keys(handle.ports)}`);
			return found;
		},
		url: (path = "/", scheme = "ws") => `${scheme}://127.0.0.1:${port}${path}`,
		waitForLog: (which, timeout) => lines.waitFor(which, timeout),
		stop,
		expectQuiet: async (timeout = 5_000) => {
			await until(() => handle.connectionCount() === 0, { timeout, what: "no connection left in the gateway" });
			await stop();
			for (const closed of ports) {
				if (closed !== 0 && (await accepts(closed))) throw new Error(`port ${closed} still accepts after stop()`);
			}
			lines.assertPaired();
		},
	};
}

/** Whether something listens on a loopback port. */
export function accepts(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
	});
}
