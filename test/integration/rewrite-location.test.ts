/** `rewrite.location`: the prefix comes back in what the backend answers. */
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { connectRaw } from "../harness/raw-client.ts";
import type { Head } from "../harness/raw-peer.ts";
import { listen } from "../harness/ws-backend.ts";

/** A gateway that cuts `/app` in front of a backend that sends everybody to its own login. */
async function start(more: string) {
	const server = createServer((request, response) => {
		const own = `http://${request.headers.host}`;
		const location = request.url === "/absolute" ? `${own}/login` : "/login";
		response.writeHead(302, { Location: location, "Set-Cookie": ["sid=1; Path=/", "b=2; Path=/x"] }).end();
	});
	// A handshake is sent to the login too.
	server.on("upgrade", (_, socket) => {
		socket.end("HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: sid=1; Path=/\r\nContent-Length: 0\r\n\r\n");
	});
	const { port } = await listen(server);
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["ws://127.0.0.1:${port}"] } }
		routes: [{ match: { path_prefix: /app }, upstream: app, rewrite: { strip_prefix: /app${more} } }]
	`);
	return {
		plain: async (target: string): Promise<Head> => {
			const client = await connectRaw({ port: gateway.port });
			client.write(`GET ${target} HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\n\r\n`);
			return client.readHead();
		},
		handshake: async (target: string): Promise<Head> => {
			const client = await connectRaw({ port: gateway.port });
			return client.handshake(target, { host: "chat.test" });
		},
	};
}

const told = (head: Head) => [head.status, head.header("location"), head.all("set-cookie")];

test("Location and the path of cookies get the prefix back, in plain answers and refused handshakes", async () => {
	const { plain, handshake } = await start(", location: true");
	expect(told(await plain("/app/x"))).toEqual([302, "/app/login", ["sid=1; Path=/app", "b=2; Path=/app/x"]]);
	expect(told(await plain("/app/absolute"))).toEqual([302, "/app/login", ["sid=1; Path=/app", "b=2; Path=/app/x"]]);
	expect(told(await handshake("/app/ws"))).toEqual([302, "/app/login", ["sid=1; Path=/app"]]);
});

test("a Location with the endpoint's own address becomes a path, also with host: upstream", async () => {
	const { plain } = await start(", location: true, host: upstream");
	expect((await plain("/app/absolute")).header("location")).toBe("/app/login");
});

test("without it answers pass as they are", async () => {
	const { plain, handshake } = await start("");
	expect(told(await plain("/app/absolute"))).toEqual([
		302,
		"http://chat.test/login",
		["sid=1; Path=/", "b=2; Path=/x"],
	]);
	expect((await handshake("/app/ws")).header("location")).toBe("/login");
});
