/** Notifications to a user: on every device of theirs, and what came while one was away comes later. */
import { api, connect, next } from "./common.js";

const phone = connect("ada");
const laptop = connect("ada");
// The gateway subscribes both by their token: join: on_connect. Nobody else can follow user.ada.
for (const [name, device] of Object.entries({ phone, laptop })) {
	device.subscribe("user.ada", ({ text }) => console.log(`${name}: ${text}`));
}
await Promise.all([phone, laptop].map((device) => next(device, "subscribed", "user.ada")));

const both = [phone, laptop].map((device) => next(device, "message", "user.ada"));
await api("publish", { topic: "user.ada", data: { text: "your game begins" } });
await Promise.all(both);

// The phone loses its connection; one comes meanwhile.
const later = next(phone, "message", "user.ada");
phone.reconnect();
await api("publish", { topic: "user.ada", data: { text: "you won" } });
await later;
phone.close();
laptop.close();
