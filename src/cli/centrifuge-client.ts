/** As much of a client of Centrifugo's JSON protocol as it takes to follow topics. */
import { type Disconnected, ReconnectingSocket, type SocketOptions } from "../client/reconnecting-socket.ts";
import type { Follower, FollowerEvents } from "./follower.ts";

/** Of the connect command; the others are those of topics, from 2 on. */
const CONNECT_ID = 1;
/** Subscriptions that ended with such a code are asked for again, with their position. */
const RESUBSCRIBE_FROM = 2_500;
/** The error of a topic that is followed already. */
const ALREADY_SUBSCRIBED = 105;
/** After a temporary error, ms. */
const AGAIN_MS = 1_000;

interface Publication {
	readonly data?: unknown;
	readonly offset?: number;
}

interface Subscribed {
	readonly epoch?: string;
	readonly offset?: number;
	readonly publications?: readonly Publication[];
	readonly was_recovering?: boolean;
	readonly recovered?: boolean;
}

interface Reply {
	readonly id?: number;
	readonly error?: { readonly code: number; readonly message: string; readonly temporary?: boolean };
	readonly connect?: { readonly subs?: Readonly<Record<string, Subscribed>> };
	readonly subscribe?: Subscribed;
	readonly push?: {
		readonly channel?: string;
		readonly pub?: Publication;
		readonly unsubscribe?: { readonly code: number; readonly reason: string };
	};
}

interface Position {
	epoch: string | undefined;
	offset: number | undefined;
}

export class CentrifugeClient implements Follower {
	readonly #socket: ReconnectingSocket;
	readonly #token: string | undefined;
	readonly #events: FollowerEvents;
	readonly #topics = new Map<string, Position>();
	/** Topics by the number of the command that asked for them. */
	readonly #asked = new Map<number, string>();
	#lastId = CONNECT_ID;

	constructor(url: string, token: string | undefined, options: SocketOptions, events: FollowerEvents) {
		this.#token = token;
		this.#events = events;
		this.#socket = new ReconnectingSocket(url, options);
		this.#socket.on("connected", () => this.#send({ id: CONNECT_ID, connect: { token, name: "clawgate" } }));
		this.#socket.on("message", ({ data }) => this.#receive(String(data)));
		this.#socket.on("disconnected", (event: Disconnected) => {
			this.#asked.clear();
			events.disconnected(event);
		});
		this.#socket.on("error", (error) => events.failed(error));
	}

	/** To be called before it is connected. */
	follow(topic: string): void {
		this.#topics.set(topic, { epoch: undefined, offset: undefined });
	}

	close(): void {
		this.#socket.close();
	}

	/** One message has one reply a line. */
	#receive(text: string): void {
		for (const line of text.split("\n")) {
			if (line === "") continue;
			let reply: Reply;
			try {
				reply = JSON.parse(line) as Reply;
			} catch {
				this.#events.failed(new Error("the server does not speak this protocol; does the route have protocol: plain?"));
				continue;
			}
			this.#take(reply);
		}
	}

	#take({ id, error, connect, subscribe, push }: Reply): void {
		if (id === CONNECT_ID && error) this.#refused(error);
		else if (connect) {
			for (const topic of this.#topics.keys()) {
				const joined = connect.subs?.[topic];
				if (joined) this.#subscribed(topic, joined);
				else this.#ask(topic);
			}
		} else if (id !== undefined) this.#answered(id, error, subscribe);
		else if (push?.pub && push.channel !== undefined) this.#published(push.channel, push.pub);
		else if (push?.unsubscribe && push.channel !== undefined) {
			const { code, reason } = push.unsubscribe;
			if (code >= RESUBSCRIBE_FROM) this.#ask(push.channel);
			else this.#drop(push.channel, `${code}: ${reason}`);
		} else if (!push) this.#send({});
	}

	#answered(id: number, error: Reply["error"], subscribe: Subscribed | undefined): void {
		const topic = this.#asked.get(id);
		if (topic === undefined) return;
		this.#asked.delete(id);
		if (subscribe) this.#subscribed(topic, subscribe);
		else if (error?.temporary) setTimeout(() => this.#ask(topic), AGAIN_MS);
		else if (error && error.code !== ALREADY_SUBSCRIBED) this.#drop(topic, `${error.code}: ${error.message}`);
	}

	#subscribed(topic: string, { epoch, offset, publications = [], was_recovering, recovered }: Subscribed): void {
		const position = this.#topics.get(topic);
		if (!position) return;
		if (was_recovering && !recovered) this.#events.lost(topic);
		for (const publication of publications) this.#published(topic, publication);
		position.epoch = epoch;
		position.offset = epoch === undefined ? undefined : (offset ?? 0);
	}

	#published(topic: string, { data, offset }: Publication): void {
		const position = this.#topics.get(topic);
		if (!position) return;
		if (offset !== undefined) position.offset = offset;
		this.#events.published(topic, { data, offset });
	}

	/** The connect command was refused: the next one would be, too. */
	#refused({ code, message }: NonNullable<Reply["error"]>): void {
		const hint = this.#token === undefined ? "; --token gives one" : "";
		this.#socket.close();
		this.#events.disconnected({ code, reason: `${message}${hint}`, by: "server", retries: false, retryIn: undefined });
	}

	#drop(topic: string, why: string): void {
		this.#topics.delete(topic);
		this.#events.refused(topic, why);
	}

	#ask(topic: string): void {
		const position = this.#topics.get(topic);
		if (!position) return;
		const id = ++this.#lastId;
		this.#asked.set(id, topic);
		const { epoch, offset } = position;
		const since = epoch === undefined ? {} : { recover: true, epoch, offset };
		this.#send({ id, subscribe: { channel: topic, ...since } });
	}

	#send(command: object): void {
		this.#socket.send(JSON.stringify(command));
	}
}
