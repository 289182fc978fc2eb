/** Presence: who is in a room, as a backend asks for it. Clients with Centrifugo's SDK can ask by themselves. */
import { setTimeout as pause } from "node:timers/promises";
import { api, connect, next } from "./common.js";

async function people() {
	const { presence } = await api("presence", { topic: "chat.green" });
	return Object.values(presence)
		.map(({ user }) => user)
		.sort()
		.join(", ");
}

const ada = connect("ada", { rooms: ["green"] });
const bob = connect("bob", { rooms: ["green"] });
for (const client of [ada, bob]) client.subscribe("chat.green", () => {});
await Promise.all([ada, bob].map((client) => next(client, "subscribed", "chat.green")));
console.log(`in the room: ${await people()}`);

bob.close();
while ((await people()) !== "ada") await pause(20);
console.log("bob has left");
ada.close();
