/** What the recipes share: a backend's two tools, and a client's connection. */
import { createHmac } from "node:crypto";
import { HubConnection } from "clawgate/client";
import { WebSocket } from "ws";

const { HUB_PORT = "8080", HUB_API_PORT = "9091" } = process.env;
const SECRET = process.env.HUB_SECRET ?? "this-secret-is-for-the-examples-only-01";

/** Backend: a token (JWT, HS256) for a user. `rooms` and other claims are what the rules of topics ask for. */
export function tokenFor(user, claims = {}) {
	const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
	const input = `${part({ alg: "HS256" })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
	return `${input}.${createHmac("sha256", SECRET).update(input).digest("base64url")}`;
}

/** Backend: one request to the hub's API. */
export async function api(operation, body) {
	const answer = await fetch(`http://127.0.0.1:${HUB_API_PORT}/api/${operation}`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(body),
		signal: AbortSignal.timeout(2000),
	});
	const { result, error } = await answer.json();
	if (error) throw new Error(`${operation}: ${error.message}`);
	return result;
}

/** Client: a connection. In a browser the token comes from your backend, and `WebSocket` can be left out. */
export function connect(user, claims) {
	return new HubConnection(`ws://127.0.0.1:${HUB_PORT}/hub`, { token: () => tokenFor(user, claims), WebSocket });
}

/** Resolves with the next event of a name about a topic. */
export function next(client, name, topic, wanted = () => true) {
	return new Promise((resolve) => {
		const forget = client.on(name, (event) => {
			if (event.topic !== topic || !wanted(event)) return;
			forget();
			resolve(event);
		});
	});
}
