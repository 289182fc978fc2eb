/** GraphQL subscriptions over graphql-transport-ws. */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createClient } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { listen } from "../harness/ws-backend.ts";

// graphql-ws loads the CommonJS build; a schema made by another copy of the package is refused.
const { buildSchema } = createRequire(import.meta.url)("graphql") as typeof import("graphql");

const schema = buildSchema(`
	type Query { hello: String! }
	type Subscription { countdown(from: Int!): Int!  forever: Int! }
`);

async function start() {
	const http = createServer();
	const webSockets = new WebSocketServer({ server: http, path: "/graphql" });
	let stoppedEarly = false;
	const roots = {
		query: { hello: () => "world" },
		subscription: {
			async *countdown({ from }: { from: number }) {
				for (let n = from; n >= 0; n--) yield { countdown: n };
			},
			async *forever() {
				try {
					for (let n = 0; ; n++) {
						yield { forever: n };
						await new Promise((resolve) => setTimeout(resolve, 5));
					}
				} finally {
					stoppedEarly = true;
				}
			},
		},
	};
	const server = useServer(
		{ schema, roots, onConnect: ({ connectionParams }) => connectionParams?.token === "right" },
		webSockets,
	);
	const { port } = await listen(http, () => server.dispose());
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { graphql: { endpoints: ["ws://127.0.0.1:${port}"] } }
		routes: [{ match: { path: /graphql, subprotocol: graphql-transport-ws }, upstream: graphql, http: reject }]
	`);
	const client = (token: string) => {
		const made = createClient({
			url: gateway.url("/graphql"),
			webSocketImpl: WebSocket,
			connectionParams: { token },
			retryAttempts: 0,
			lazyCloseTimeout: 0,
		});
		onTestFinished(() => made.dispose());
		return made;
	};
	return { gateway, client, stoppedEarly: () => stoppedEarly };
}

test("a query, a subscription to its end, and one that the client ends early", async () => {
	const { gateway, client, stoppedEarly } = await start();
	const graphql = client("right");
	const keepOpen = graphql.iterate({ query: "subscription { forever }" });
	expect((await keepOpen.next()).value).toEqual({ data: { forever: 0 } });

	const answers: unknown[] = [];
	for await (const { data } of graphql.iterate({ query: "{ hello }" })) answers.push(data);
	expect(answers).toEqual([{ hello: "world" }]);

	const numbers: unknown[] = [];
	for await (const { data } of graphql.iterate({ query: "subscription { countdown(from: 3) }" })) {
		numbers.push(data?.countdown);
	}
	expect(numbers).toEqual([3, 2, 1, 0]);

	await keepOpen.return?.();
	await until(stoppedEarly, { what: "the server to stop the subscription" });
	expect(await gateway.waitForLog("ws.open")).toMatchObject({
		subprotocol: "graphql-transport-ws",
		upstream: "graphql",
	});
	await graphql.dispose();
	await gateway.expectQuiet();
	expect(gateway.lines.of("ws.open")).toHaveLength(1);
});

test("the server's own close code 4403 reaches the client", async () => {
	const { gateway, client } = await start();
	const graphql = client("wrong");
	const closed = new Promise<{ code: number; reason: string }>((resolve) => {
		graphql.on("closed", (event) => resolve(event as { code: number; reason: string }));
	});
	await expect(graphql.iterate({ query: "{ hello }" }).next()).rejects.toMatchObject({ code: 4403 });
	expect(await within(closed, { what: "the close" })).toMatchObject({ code: 4403, reason: "Forbidden" });
	expect(await gateway.waitForLog("ws.close")).toMatchObject({
		close_code: 4403,
		close_reason: "Forbidden",
		close_initiator: "backend",
		termination: "normal",
	});
	await gateway.expectQuiet();
});
