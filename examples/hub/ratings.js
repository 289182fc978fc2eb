/** Rating updates: a service publishes, everybody who looks at a game sees them. */
import { api, connect, next } from "./common.js";

const client = connect("ada");
client.subscribe("rating.game.42", ({ rating }, { offset }) =>
	console.log(`game 42: ${rating} (publication ${offset})`),
);
await next(client, "subscribed", "rating.game.42");

// The rating service: one request for each change, no sockets.
const arrived = next(client, "message", "rating.game.42", ({ data }) => data.rating === 1530);
for (const rating of [1510, 1520, 1530]) {
	await api("publish", { topic: "rating.game.42", data: { type: "rating_update", rating } });
}
await arrived;
client.close();
