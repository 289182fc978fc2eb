// faye-websocket, which faye and many test runners are built on.
import faye from "../packages/node_modules/faye-websocket/lib/faye/websocket.js";
import { report } from "./report.js";

for (const [url, target] of process.argv.slice(2).entries()) {
	const socket = new faye.Client(target);
	let error = false;
	socket.on("open", () => report({ url, event: "open" }));
	socket.on("error", () => {
		error = true;
	});
	socket.on("close", ({ code }) => report({ url, event: "close", code, error }));
}
