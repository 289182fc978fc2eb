// libwebsockets' own test client: one process for each connection, which tells in its log what happens.
import { spawn } from "node:child_process";
import { report } from "./report.js";

for (const [url, target] of process.argv.slice(2).entries()) {
	const client = spawn("libwebsockets-test-client", [target, "-l", "-d", "15"], {
		stdio: ["ignore", "ignore", "pipe"],
	});
	let log = "";
	let clean = false;
	client.stderr.setEncoding("utf8").on("data", (text) => {
		const lines = (log + text).split("\n");
		log = lines.pop();
		for (const line of lines) {
			// It opens two connections; the one of its mirror protocol says more.
			if (line.includes("mirror: LWS_CALLBACK_CLIENT_ESTABLISHED")) report({ url, event: "open" });
			if (line.includes("scheduling return close as ack")) clean = true;
			if (line.includes("mirror: LWS_CALLBACK_CLOSED")) {
				report({ url, event: "close", clean });
				client.kill();
			}
		}
	});
	client.on("error", (error) => {
		console.error(error.message);
		process.exit(1);
	});
}
