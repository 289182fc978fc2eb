// ws 1.x: see endings.test.ts for what these programs print.
import WebSocket from "../packages/node_modules/ws-1/index.js";
import { report } from "./report.js";

for (const [url, target] of process.argv.slice(2).entries()) {
	const socket = new WebSocket(target);
	let error = false;
	socket.on("open", () => report({ url, event: "open" }));
	socket.on("error", () => {
		error = true;
	});
	socket.on("close", (code) => report({ url, event: "close", code, error }));
}
