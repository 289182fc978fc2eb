/** The parts of SockJS that the tests use; neither package has types of its own. */
declare module "sockjs" {
	import type { Server } from "node:http";

	export interface Connection {
		readonly id: string;
		readonly protocol: string;
		write(text: string): boolean;
		close(code?: number, reason?: string): boolean;
		on(event: "data", listener: (text: string) => void): this;
		on(event: "close", listener: () => void): this;
	}
	export interface SockJsServer {
		on(event: "connection", listener: (connection: Connection | null) => void): this;
		installHandlers(server: Server, options: { prefix: string }): void;
	}
	const sockjs: {
		createServer(options: {
			log?: (severity: string, message: string) => void;
			heartbeat_delay?: number;
		}): SockJsServer;
	};
	export default sockjs;
}

declare module "sockjs-client" {
	export default class SockJS {
		constructor(url: string, subprotocols?: null, options?: { transports?: string | string[]; timeout?: number });
		readonly transport: string;
		readonly readyState: number;
		onopen: (() => void) | null;
		onmessage: ((event: { data: string }) => void) | null;
		onclose: ((event: { code: number; reason: string; wasClean: boolean }) => void) | null;
		send(text: string): void;
		close(code?: number, reason?: string): void;
	}
}
