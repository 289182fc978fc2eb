/** `clawgate subscribe`: follows topics of a hub as a client does, and prints what comes. */
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { HubConnection } from "../client/hub-connection.ts";
import type { SocketOptions, WebSocketConstructor } from "../client/reconnecting-socket.ts";
import { argumentMessage } from "./argument-error.ts";
import { CentrifugeClient } from "./centrifuge-client.ts";
import { type Command, type CommandIo, EXIT_USAGE } from "./command.ts";
import type { Follower, FollowerEvents } from "./follower.ts";
import { printable } from "./table.ts";

const HELP = `Usage: clawgate subscribe URL TOPIC… [--token TOKEN] [--plain] [--count N]

Connects to a route that ends in a hub, follows the topics, and prints a line of JSON for each publication. A lost
connection comes back, with what was missed where the topic keeps history.

  --token TOKEN      the client's token; better in the environment, as CLAWGATE_TOKEN
  --plain            the route has protocol: plain (the token goes into the query then)
  --count N          ends after N publications
  -h, --help         prints this

  clawgate subscribe ws://127.0.0.1:8080/connection/websocket rating.game.42 | jq .data
`;

const OPTIONS = {
	token: { type: "string" },
	plain: { type: "boolean" },
	count: { type: "string" },
	help: { type: "boolean", short: "h" },
} as const;

interface Order {
	readonly url: string;
	readonly topics: readonly string[];
	readonly token: string | undefined;
	readonly plain: boolean;
	readonly count: number;
}

class UsageError extends Error {}

/** @returns 0 after `--count`; 1 when the hub does not want the client, or refuses every topic; 2 for wrong arguments */
export const subscribe: Command = async (argv, io) => {
	let order: Order | undefined;
	try {
		order = read(argv, io);
	} catch (error) {
		if (!(error instanceof UsageError)) throw error;
		io.stderr(`clawgate subscribe: ${error.message}\nclawgate subscribe --help tells more\n`);
		return EXIT_USAGE;
	}
	if (order) return follow(order, io);
	io.stdout(HELP);
	return 0;
};

function follow({ url, topics, token, plain, count }: Order, io: CommandIo): Promise<number> {
	const say = (text: string): void => io.stderr(`clawgate subscribe: ${printable(text)}\n`);
	const left = new Set(topics);
	let seen = 0;
	return new Promise((resolve) => {
		const end = (code: number): void => {
			follower.close();
			resolve(code);
		};
		const events: FollowerEvents = {
			published: (topic, { data, offset }) => {
				if (seen === count) return;
				io.stdout(`${JSON.stringify({ topic, data, offset })}\n`);
				if (++seen === count) end(0);
			},
			lost: (topic) => say(`${topic}: something was missed that is not kept any more`),
			refused: (topic, why) => {
				say(`${topic}: ${why}`);
				if (left.delete(topic) && left.size === 0) end(1);
			},
			disconnected: ({ code, reason, by, retries, retryIn }) => {
				if (by === "client") return;
				const again = retries ? `; connecting again in ${((retryIn ?? 0) / 1000).toFixed(1)} s` : "";
				say(`the connection ended (${code}${reason ? `, ${reason}` : ""})${again}`);
				if (!retries) end(1);
			},
			failed: (error) => say((error as Error).message),
		};
		const options: SocketOptions = { WebSocket: WebSocket as unknown as WebSocketConstructor };
		const follower = plain
			? plainFollower(url, token, options, events)
			: new CentrifugeClient(url, token, options, events);
		for (const topic of topics) follower.follow(topic);
	});
}

function plainFollower(
	url: string,
	token: string | undefined,
	options: SocketOptions,
	events: FollowerEvents,
): Follower {
	const connection = new HubConnection(url, { ...options, ...(token !== undefined && { token }) });
	connection.on("message", ({ topic, data, offset }) => events.published(topic, { data, offset }));
	connection.on("subscribed", ({ topic, recovered }) => {
		if (recovered === false) events.lost(topic);
	});
	connection.on("refused", ({ topic = "", code, message }) => events.refused(topic, `${code}: ${message}`));
	connection.on("unsubscribed", ({ topic, code, reason }) => {
		// From 2500 on the client asks again by itself.
		if (code !== undefined && code < 2_500) events.refused(topic, `${code}: ${reason}`);
	});
	connection.on("disconnected", (event) => events.disconnected(event));
	connection.on("error", (error) => events.failed(error));
	return {
		follow: (topic) => void connection.subscribe(topic, () => {}),
		close: () => connection.close(),
	};
}

/** Undefined when help is asked for. @throws UsageError */
function read(argv: readonly string[], { env }: CommandIo): Order | undefined {
	const { values, positionals } = parse(argv);
	if (values.help) return undefined;
	const [url, ...topics] = positionals;
	if (url === undefined) throw new UsageError("a URL is needed, such as ws://127.0.0.1:8080/connection/websocket");
	if (!/^wss?:\/\//i.test(url) || !URL.canParse(url)) {
		throw new UsageError(`${JSON.stringify(url)} is no URL of a WebSocket; it begins with ws:// or wss://`);
	}
	if (topics.length === 0) throw new UsageError("name at least one topic to follow");
	const { count, plain = false, token = env.CLAWGATE_TOKEN } = values;
	if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count)) {
		throw new UsageError("--count takes a whole number from 1 on");
	}
	const most = count === undefined ? Number.POSITIVE_INFINITY : Number(count);
	return { url, topics: [...new Set(topics)], token: token || undefined, plain, count: most };
}

function parse(argv: readonly string[]) {
	try {
		return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
	} catch (error) {
		throw new UsageError(argumentMessage(error, Object.keys(OPTIONS)));
	}
}
