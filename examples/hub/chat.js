/** A chat room: who has the room in the token may read and write; nobody else. */
import { connect, next } from "./common.js";

const ada = connect("ada", { rooms: ["tea", "coffee"] });
const bob = connect("bob", { rooms: ["tea"] });
for (const [name, client] of Object.entries({ ada, bob })) {
	client.subscribe("chat.tea", ({ from, text }) => console.log(`${name} reads: ${from}: ${text}`));
}
await Promise.all([ada, bob].map((client) => next(client, "subscribed", "chat.tea")));

const read = [ada, bob].map((client) => next(client, "message", "chat.tea"));
await ada.publish("chat.tea", { from: "ada", text: "hello" });
await Promise.all(read);

// Bob's token does not have this room.
bob.subscribe("chat.coffee", () => {});
const { code } = await next(bob, "refused", "chat.coffee");
console.log(`bob and chat.coffee: ${code}`);
ada.close();
bob.close();
