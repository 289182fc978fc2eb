// A graphql-ws client with a subscription that does not end. Argument: the URL. It tells when it is connected and closed.
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

const tell = (told) => console.log(JSON.stringify({ told }));
// With ws it leaves the rejections of attempts that fail to nobody.
process.on("unhandledRejection", () => undefined);

const client = createClient({
	url: process.argv[2],
	webSocketImpl: WebSocket,
	retryAttempts: Number.POSITIVE_INFINITY,
	retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
	// By default it gives up when the server is not back at its first attempt; fatal codes are fatal in spite of this.
	shouldRetry: () => true,
});
let open = false;
client.on("connected", () => {
	open = true;
	tell("connected");
});
client.on("closed", ({ code, wasClean }) => {
	// Those that were never open are attempts while the server is away.
	if (open) tell(`closed ${code} ${wasClean}`);
	open = false;
});
const gaveUp = () => tell("gave up");
client.subscribe({ query: "subscription { forever }" }, { next: () => undefined, error: gaveUp, complete: gaveUp });
