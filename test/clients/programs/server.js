// An echo server in a process of its own: prints its port; SIGTERM tells its clients 1001 and ends it.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1" });
server.on("connection", (socket) => {
	socket.on("error", () => undefined);
	socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on("listening", () => console.log(JSON.stringify({ port: server.address().port })));
process.once("SIGTERM", () => {
	for (const socket of server.clients) socket.close(1001, "service restart");
	server.close(() => process.exit(0));
});
