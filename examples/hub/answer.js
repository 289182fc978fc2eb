/**
 * An AI's answer, token by token, from a backend to one client. The connection is lost in the middle of it: the client comes
 * back to the place where it was, while the backend goes on and notices nothing.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { api, connect } from "./common.js";

const WORDS = "A hub keeps the last tokens of an answer so that a lost connection loses none of them .".split(" ");

/** The backend: it gets tokens from a model, and publishes each as it comes. */
async function answer(topic) {
	for (const token of WORDS) {
		await pause(10);
		await api("publish", { topic, data: { token } });
	}
	await api("publish", { topic, data: { done: true } });
}

const client = connect("ada");
const topic = `answer.ada.${randomUUID()}`;
const read = [];
const done = new Promise((resolve) => {
	client.subscribe(topic, (data) => {
		if (data.done) return resolve();
		read.push(data.token);
		if (read.length === 5) client.reconnect();
	});
});
client.on("subscribed", (event) => {
	if (event.topic !== topic) return;
	// Only now, so that nothing comes before there is somebody to read it.
	if (event.recovered === undefined) void answer(topic);
	else console.log(event.recovered ? "(back, nothing missed)" : "(back, something is missing)");
});
await done;
console.log(read.join(" "));
client.close();
