/** `clawgate run --demo`: two sample chat servers behind the gateway, and what to open. */
import type { RunningGateway } from "../app.ts";
import type { GatewayConfig } from "../config/schema.ts";
import type { CommandIo } from "./command.ts";

/** The endpoints of the package's routes.yaml. */
const BACKENDS = [
	{ name: "one", variable: "DEMO_BACKEND_ONE", port: 7001 },
	{ name: "two", variable: "DEMO_BACKEND_TWO", port: 7002 },
];

interface ChatServer {
	close(): Promise<void>;
}

/** Starts the sample servers; resolves with what stops them, or with nothing after it has said which port is taken. */
export async function startDemoBackends(io: CommandIo): Promise<(() => Promise<void>) | undefined> {
	// Outside of src/, so that the sample stays plain JavaScript that anyone can read and run alone.
	const servers = BACKENDS.map(({ name, variable, port }) => ({
		name,
		variable,
		port: Number(io.env[variable] ?? port),
	}));
	const { startChatServer } = (await import(new URL("../../examples/chat-server.js", import.meta.url).href)) as {
		startChatServer(options: { port: number; name: string; neighbours: string[] }): Promise<ChatServer>;
	};
	const started: ChatServer[] = [];
	const stop = async (): Promise<void> => {
		await Promise.all(started.map((server) => server.close()));
	};
	for (const { name, variable, port } of servers) {
		const others = servers.filter((server) => server.name !== name);
		const neighbours = others.map((other) => `http://127.0.0.1:${other.port}`);
		try {
			started.push(await startChatServer({ port, name, neighbours }));
		} catch (error) {
			const why = (error as NodeJS.ErrnoException).code === "EADDRINUSE" ? "is taken" : (error as Error).message;
			io.stderr(`clawgate: sample server ${name}: port ${port} ${why}; set ${variable} to a free port\n`);
			await stop();
			return undefined;
		}
	}
	return stop;
}

/** Says what can be opened now. */
export function announceDemo(io: CommandIo, gateway: RunningGateway, config: GatewayConfig): void {
	const lines = config.listeners.map(({ name, tls }) => {
		const [http, ws] = tls ? ["https", "wss"] : ["http", "ws"];
		const port = gateway.ports[name];
		const remark = tls?.self_signed ? "  (certificate made at start: the browser will warn)" : "";
		return `  chat       ${http}://localhost:${port}/    WebSocket ${ws}://localhost:${port}/ws${remark}`;
	});
	if (gateway.adminPort !== undefined) {
		const admin = `http://127.0.0.1:${gateway.adminPort}`;
		lines.push(`  dashboard  ${admin}/    metrics ${admin}/metrics`);
	}
	io.stderr(
		`\nClawgate is running. Open two browser windows, one of them private: they may be on different servers and see each other:\n${lines.join("\n")}\n  stop       Ctrl+C\n\n`,
	);
}
