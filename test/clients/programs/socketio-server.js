// A Socket.IO server. Arguments: the package, its port.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [name, port] = process.argv.slice(2);
const socketio = createRequire(import.meta.url)(name);
const http = createServer();
const server = new (socketio.Server ?? socketio)(http);
server.on("connection", () => undefined);
http.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify({ port: http.address().port })));
