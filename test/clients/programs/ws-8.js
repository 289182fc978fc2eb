// The current ws.
import { WebSocket } from "ws";
import { report } from "./report.js";

for (const [url, target] of process.argv.slice(2).entries()) {
	const socket = new WebSocket(target);
	let error = false;
	socket.addEventListener("open", () => report({ url, event: "open" }));
	socket.addEventListener("error", () => {
		error = true;
	});
	socket.addEventListener("close", ({ code, wasClean }) =>
		report({ url, event: "close", code, clean: wasClean, error }),
	);
}
