// A Node library as a proxy: node library.js NAME '{"port", "tlsPort", "backend", "cert", "key"}'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";

const [name, json] = process.argv.slice(2);
const { port, tlsPort, backend, cert, key } = JSON.parse(json);
const library = await import(name);
const target = { host: "127.0.0.1", port: backend };
const create = library.createProxyServer ?? library.default.createProxyServer;
const proxy = create({ target, ws: true });
proxy.on("error", () => {});

for (const server of [createServer(), createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) })]) {
	server.on("request", (request, response) => proxy.web(request, response));
	server.on("upgrade", (request, socket, head) => {
		socket.on("error", () => {});
		// http-proxy takes (request, socket, head); httpxy wants its options between.
		if (name === "httpxy") void proxy.ws(request, socket, {}, head).catch(() => {});
		else proxy.ws(request, socket, head);
	});
	server.listen(server.setSecureContext ? tlsPort : port, "127.0.0.1", 4096);
}
