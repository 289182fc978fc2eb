/**
 * A small chat server to try the gateway with: a page at `/`, a WebSocket chat at `/ws`, `/health` for probes.
 * It says which server you are on, so that you can see the gateway spread, stick and fail over. Servers tell each other
 * what is said, so that everybody sees everybody, whichever server the gateway chose.
 *
 * Alone:      PORT=7001 NAME=one node examples/chat-server.js    (HOST=0.0.0.0 in a container)
 * Several:    NEIGHBOURS=http://127.0.0.1:7002,http://127.0.0.1:7003 in the environment of the first, and so on
 * In a test:  const server = await startChatServer({ port: 0, name: "one" });
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket, WebSocketServer } from "ws";

const MAX_MESSAGE_SIZE = 16 * 1024;
const MAX_TEXT_LENGTH = 2000;
const MAX_NAME_LENGTH = 40;

/** Starts a chat server on a loopback port (0 = any free one). */
export async function startChatServer({ port = 0, name = "one", host = "127.0.0.1", neighbours = [] } = {}) {
	const page = (await readFile(new URL("./chat.html", import.meta.url), "utf8")).replaceAll(
		"{{server}}",
		escapeHtml(name),
	);
	const pageHeaders = {
		"Content-Type": "text/html; charset=utf-8",
		"Cache-Control": "no-store",
		"Content-Security-Policy": contentSecurityPolicy(page),
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer",
	};

	const server = createServer((request, response) => {
		const path = request.url?.split("?")[0];
		if (path === "/said" && request.method === "POST") return void hear(request, response);
		if (request.method !== "GET" && request.method !== "HEAD")
			return answer(response, 405, "use GET\n", { Allow: "GET, HEAD" });
		if (path === "/") return answer(response, 200, page, pageHeaders);
		if (path === "/health") return answer(response, 200, "ok\n");
		return answer(response, 404, "not found; the page is at / and the WebSocket at /ws\n");
	});

	const chat = new WebSocketServer({ server, path: "/ws", maxPayload: MAX_MESSAGE_SIZE });
	// It repeats the server's errors, which are dealt with below.
	chat.on("error", () => {});
	chat.on("connection", (socket) => {
		socket.on("error", (error) => console.error(`${name}: ${error.message}`));
		send(socket, { type: "welcome", server: name, people: chat.clients.size });
		broadcast({ type: "people", server: name, people: chat.clients.size }, socket);
		socket.on("message", (data) => {
			const message = parse(data.toString());
			if (!message) return send(socket, { type: "error", text: 'send {"from": "name", "text": "words"}' });
			const said = { type: "message", server: name, ...message };
			broadcast(said);
			for (const neighbour of neighbours) void tell(neighbour, said);
		});
		socket.on("close", () => broadcast({ type: "people", server: name, people: chat.clients.size }));
	});

	function broadcast(message, except) {
		for (const socket of chat.clients) if (socket !== except) send(socket, message);
	}

	/** What somebody said on another server. Only servers may tell: what comes through the gateway has X-Forwarded-For. */
	async function hear(request, response) {
		if (request.headers["x-forwarded-for"] !== undefined) return answer(response, 403, "for the other servers only\n");
		let text = "";
		try {
			for await (const chunk of request.setEncoding("utf8")) {
				text += chunk;
				if (text.length > 2 * MAX_MESSAGE_SIZE) return answer(response, 413, "too long\n", { Connection: "close" });
			}
		} catch {
			// It left in the middle; there is nobody to answer.
			return response.destroy();
		}
		const message = parse(text);
		if (!message) return answer(response, 400, "not a message\n");
		broadcast({ type: "message", server: String(JSON.parse(text).server).slice(0, MAX_NAME_LENGTH), ...message });
		return answer(response, 200, "ok\n");
	}

	async function tell(neighbour, message) {
		try {
			const body = JSON.stringify(message);
			const told = await fetch(new URL("/said", neighbour), {
				method: "POST",
				body,
				signal: AbortSignal.timeout(2000),
			});
			await told.arrayBuffer();
		} catch (error) {
			console.error(`${name}: ${neighbour} was not told: ${error.cause?.code ?? error.message}`);
		}
	}

	await new Promise((listening, failed) => {
		server.once("error", failed);
		server.listen(port, host, listening);
	});

	return {
		port: server.address().port,
		/** Says goodbye (1001) to everybody and stops. */
		close: () =>
			new Promise((done) => {
				for (const socket of chat.clients) socket.close(1001, "the server stops");
				const late = setTimeout(() => {
					for (const socket of chat.clients) socket.terminate();
				}, 1000);
				server.close(() => {
					clearTimeout(late);
					done();
				});
				server.closeIdleConnections();
			}),
	};
}

function answer(response, status, body, headers = {}) {
	response.writeHead(status, {
		"Content-Type": "text/plain; charset=utf-8",
		"Content-Length": Buffer.byteLength(body),
		...headers,
	});
	response.end(response.req.method === "HEAD" ? undefined : body);
}

function send(socket, message) {
	if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** What a client said, cut to size; undefined when it makes no sense. */
function parse(text) {
	try {
		const { from, text: words } = JSON.parse(text);
		if (typeof words !== "string" || words.trim() === "") return undefined;
		const who = typeof from === "string" && from.trim() !== "" ? from.trim() : "somebody";
		return { from: who.slice(0, MAX_NAME_LENGTH), text: words.slice(0, MAX_TEXT_LENGTH) };
	} catch {
		return undefined;
	}
}

/** Allows the page's own inline style and script by their hashes, its own WebSocket, and nothing else. */
function contentSecurityPolicy(page) {
	const hash = (tag) => {
		const text = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)?.[1] ?? "";
		return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
	};
	return [
		"default-src 'none'",
		`style-src ${hash("style")}`,
		`script-src ${hash("script")}`,
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	].join("; ");
}

function escapeHtml(text) {
	return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const name = process.env.NAME ?? "one";
	const port = Number(process.env.PORT ?? 7001);
	const neighbours = process.env.NEIGHBOURS?.split(",").filter((url) => url !== "");
	const server = await startChatServer({ port, name, host: process.env.HOST, neighbours }).catch((error) => {
		console.error(`chat server "${name}" cannot listen on port ${port}: ${error.code ?? error.message}; set PORT`);
		process.exit(1);
	});
	console.log(`chat server "${name}" is on http://127.0.0.1:${server.port}/`);
	for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close().then(() => process.exit(0)));
}
