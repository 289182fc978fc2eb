/** `clawgate run --demo`: two sample chat servers and the backend of a hub behind the gateway, and what to open. */
import type { RunningGateway } from "../app.ts";
import type { GatewayConfig } from "../config/schema.ts";
import type { CommandIo } from "./command.ts";

interface SampleServer {
	close(): Promise<void>;
}

type Start = (port: number, env: CommandIo["env"]) => Promise<SampleServer>;

/** The endpoints of the package's routes.yaml. */
const BACKENDS: readonly { readonly name: string; readonly variable: string; readonly port: number; start: Start }[] = [
	{ name: "one", variable: "DEMO_BACKEND_ONE", port: 7001, start: startChat("one", "DEMO_BACKEND_TWO", 7002) },
	{ name: "two", variable: "DEMO_BACKEND_TWO", port: 7002, start: startChat("two", "DEMO_BACKEND_ONE", 7001) },
	{ name: "live", variable: "DEMO_BACKEND_LIVE", port: 7003, start: startLive },
];

/** Starts the sample servers; resolves with what stops them, or with nothing after it has said which port is taken. */
export async function startDemoBackends(io: CommandIo): Promise<(() => Promise<void>) | undefined> {
	const started: SampleServer[] = [];
	const stop = async (): Promise<void> => {
		await Promise.all(started.map((server) => server.close()));
	};
	for (const { name, variable, port: usual, start } of BACKENDS) {
		const port = Number(io.env[variable] ?? usual);
		try {
			started.push(await start(port, io.env));
		} catch (error) {
			const why = (error as NodeJS.ErrnoException).code === "EADDRINUSE" ? "is taken" : (error as Error).message;
			io.stderr(`clawgate: sample server ${name}: port ${port} ${why}; set ${variable} to a free port\n`);
			await stop();
			return undefined;
		}
	}
	return stop;
}

// Outside of src/, so that the samples stay plain JavaScript that anyone can read and run alone.

function startChat(name: string, neighbour: string, neighbourPort: number): Start {
	return async (port, env) => {
		const { startChatServer } = await import(new URL("../../examples/chat-server.js", import.meta.url).href);
		const neighbours = [`http://127.0.0.1:${env[neighbour] ?? neighbourPort}`];
		return (await startChatServer({ port, name, neighbours })) as SampleServer;
	};
}

async function startLive(port: number, env: CommandIo["env"]): Promise<SampleServer> {
	const { startLiveServer } = await import(new URL("../../examples/live/server.js", import.meta.url).href);
	const hubApi = `http://127.0.0.1:${env.DEMO_HUB_API_PORT ?? 9091}`;
	return (await startLiveServer({ port, hubApi, secret: env.DEMO_SECRET })) as SampleServer;
}

/** Says what can be opened now. */
export function announceDemo(io: CommandIo, gateway: RunningGateway, config: GatewayConfig): void {
	const lines = config.listeners.map(({ name, tls }) => {
		const [http, ws] = tls ? ["https", "wss"] : ["http", "ws"];
		const port = gateway.ports[name];
		const remark = tls?.self_signed ? "  (certificate made at start: the browser will warn)" : "";
		return `  chat       ${http}://localhost:${port}/    WebSocket ${ws}://localhost:${port}/ws${remark}\n  live       ${http}://localhost:${port}/live    topics, presence and direct messages: docs/hub.md`;
	});
	if (gateway.adminPort !== undefined) {
		const admin = `http://127.0.0.1:${gateway.adminPort}`;
		lines.push(`  dashboard  ${admin}/    metrics ${admin}/metrics`);
	}
	io.stderr(
		`\nClawgate is running. Open two browser windows, one of them private: they may be on different servers and see each other:\n${lines.join("\n")}\n  stop       Ctrl+C\n\n`,
	);
}
