/** The script of the page at /live: a client of a plain hub. */
import { HubConnection } from "./client/index.js";

const GAMES = 4;
const element = (id) => document.getElementById(id);

// A name for this tab. A real application knows it from its login.
const me = new URLSearchParams(location.search).get("name") || `guest-${Math.random().toString(36).slice(2, 6)}`;
element("me").textContent = me;
element("mine").textContent = `user.${me}`;
element("to").value = me;

const address = new URL("/live/socket", location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const hub = new HubConnection(address.href, {
	// Called for the first connection, and again when the token has run out.
	token: async () => {
		const answer = await fetch(`/live/token?name=${encodeURIComponent(me)}`);
		if (!answer.ok) throw new Error(`no token: status ${answer.status}`);
		return (await answer.json()).token;
	},
});

// The connection.

function status(text) {
	element("status").dataset.state = hub.state;
	element("status").textContent = text;
}

function log(text) {
	line("log", `${new Date().toLocaleTimeString()}  ${text}`);
}

function line(list, text) {
	const item = document.createElement("div");
	item.textContent = text;
	element(list).append(item);
	while (element(list).children.length > 200) element(list).firstChild.remove();
	element(list).scrollTop = element(list).scrollHeight;
}

hub.on("connecting", ({ tries }) => status(`Connecting, try ${tries} …`));
hub.on("connected", ({ connection }) => {
	status("Connected.");
	log(`connected as ${connection}`);
});
hub.on("disconnected", ({ code, reason, by, retryIn }) => {
	const next = retryIn === undefined ? "for good" : `again in ${(retryIn / 1000).toFixed(1)} s`;
	status(`Disconnected (${code}), ${next}.`);
	log(`disconnected by the ${by}, code ${code}${reason ? `, “${reason}”` : ""}; ${next}`);
});
hub.on("subscribed", ({ topic, recovered }) => {
	const missed = recovered === undefined ? "" : recovered ? ", nothing missed" : ", something is missing";
	log(`follows ${topic}${missed}`);
});
hub.on("refused", ({ topic, code }) => log(`${topic}: ${code}`));
hub.on("error", (error) => log(String(error)));

// Ratings.

const games = hub.namespace("rating.game.");
for (let game = 1; game <= GAMES; game++) {
	const row = element("ratings").insertRow();
	const [name, rating, change] = [row.insertCell(), row.insertCell(), row.insertCell()];
	name.textContent = `Game ${game}`;
	rating.textContent = "–";
	games.subscribe(String(game), (data) => {
		rating.textContent = String(data?.rating);
		const by = Number(data?.change) || 0;
		change.textContent = by > 0 ? `+${by}` : String(by);
		change.className = by < 0 ? "down" : "up";
	});
}

// Who is here. The server publishes the list whenever somebody comes or goes: this page too.

function showPeople(people) {
	element("people").replaceChildren(
		...people.map((person) => {
			const item = document.createElement("li");
			item.textContent = person === me ? `${person} (you)` : person;
			return item;
		}),
	);
}

hub.subscribe("lobby", showPeople);

// Direct messages: the gateway has subscribed this connection already.

hub.subscribe(`user.${me}`, (data) =>
	line("messages", `${data?.from ?? "somebody"}: ${data?.text ?? JSON.stringify(data)}`),
);

async function publish(topic, data) {
	const answer = await fetch("/live/publish", { method: "POST", body: JSON.stringify({ topic, data }) });
	const { error } = await answer.json();
	if (error) throw new Error(error);
}

element("direct").onsubmit = async (event) => {
	event.preventDefault();
	try {
		await publish(`user.${element("to").value.trim()}`, { from: me, text: element("words").value });
		element("words").value = "";
	} catch (error) {
		log(`not sent: ${error.message}`);
	}
};

// The form.

function showCommand() {
	const body = `{"topic":"${element("topic").value}","data":${element("data").value}}`;
	element("command").textContent = `curl -d '${body}' http://127.0.0.1:9091/api/publish`;
}
element("topic").oninput = showCommand;
element("data").oninput = showCommand;
showCommand();

element("publish").onsubmit = async (event) => {
	event.preventDefault();
	try {
		await publish(element("topic").value.trim(), JSON.parse(element("data").value));
		element("published").textContent = "Published.";
	} catch (error) {
		element("published").textContent = `Not published: ${error.message}`;
	}
};
