// A graphql-ws server with a subscription that does not end. Argument: its port. SIGTERM says 1001 and ends it.
import { createRequire } from "node:module";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

// As CommonJS, which is how graphql-ws loads it: another copy of the package is refused.
const { buildSchema } = createRequire(import.meta.url)("graphql");
const schema = buildSchema("type Query { hello: String! } type Subscription { forever: Int! }");
const roots = {
	subscription: {
		async *forever() {
			for (let n = 0; ; n++) {
				yield { forever: n };
				await new Promise((resolve) => setTimeout(resolve, 1_000));
			}
		},
	},
};
const server = new WebSocketServer({ port: Number(process.argv[2] ?? 0), host: "127.0.0.1" });
const served = useServer({ schema, roots }, server);
server.on("listening", () => console.log(JSON.stringify({ port: server.address().port })));
process.once("SIGTERM", async () => {
	// It tells each client 1001.
	await served.dispose();
	process.exit(0);
});
