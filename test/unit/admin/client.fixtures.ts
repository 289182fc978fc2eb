/** A real HTTP client and a raw one for the admin port's tests. */
import { request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { AdminServer } from "../../../src/admin/server.ts";

export interface Answer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly body: string;
}

export function portOf(admin: AdminServer): number {
	return (admin.address as AddressInfo).port;
}

/** One request on a connection of its own. */
export function ask(
	admin: AdminServer,
	method: string,
	path: string,
	headers: Record<string, string> = {},
): Promise<Answer> {
	const target =
		typeof admin.address === "string" ? { socketPath: admin.address } : { host: "127.0.0.1", port: portOf(admin) };
	return new Promise((resolve, reject) => {
		const sent = request({ ...target, method, path, headers, agent: false }, (response) => {
			let body = "";
			response.setEncoding("utf8");
			response.on("data", (chunk: string) => {
				body += chunk;
			});
			response.on("error", reject);
			response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
		});
		sent.on("error", reject);
		sent.end();
	});
}

/** Sends bytes as they are and gives all that comes back until the end. */
export function sendRaw(port: number, bytes: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
		let text = "";
		socket.setEncoding("latin1");
		socket.on("data", (chunk: string) => {
			text += chunk;
		});
		socket.on("error", reject);
		socket.on("close", () => resolve(text));
	});
}
