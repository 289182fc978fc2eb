/** A protocol for clients without an SDK: one JSON object a message. */
import { controlFrame, OPCODE } from "../../../protocol/frames.ts";
import { HubClient, type ProtocolEvents, type Started, type Subscribed } from "../../client.ts";
import type { Position, Publication } from "../../engine.ts";
import { HubDisconnect, HubError } from "../../errors.ts";
import { messageFrame } from "../../frame.ts";
import type { Encoding } from "../../message.ts";
import { ANONYMOUS, type Host, type HubProtocol, type ProtocolConnection } from "../../protocol.ts";
import { rawMembers } from "../../raw-json.ts";
import type { UnsubscribeReason } from "../../subscription.ts";

/** Unsupported data (RFC 6455 §7.4.1). */
const UNSUPPORTED_DATA = 1003;
/** Actions of one connection that may wait for an answer; then nothing more is read from it. */
const MOST_OPEN = 64;

/** What a client sends. */
interface Action {
	readonly id?: string | number;
	readonly action: string;
	readonly topic: string;
	readonly since?: Position | undefined;
	/** The text of `data`. */
	readonly data?: string | undefined;
}

const encoding: Encoding = {
	index: 2,
	opcode: OPCODE.text,
	publication: (topic, publication) => Buffer.from(publicationText(topic, publication)),
	join: () => undefined,
	leave: () => undefined,
};

export const plain: HubProtocol = {
	encoding,
	ping: controlFrame(OPCODE.ping, Buffer.alloc(0)),
	noPong: { code: 1001, reason: "no answer to pings" },
	stale: { code: 1008, reason: "the client did not say who it is" },
	open: (host) => new PlainConnection(host),
};

class PlainConnection implements ProtocolConnection, ProtocolEvents {
	readonly #host: Host;
	#client: HubClient | undefined;
	#open = 0;
	#closed = false;

	constructor(host: Host) {
		this.#host = host;
		void this.#begin();
	}

	receive(message: Buffer, isBinary: boolean): void {
		if (isBinary) {
			this.#host.end(UNSUPPORTED_DATA, "binary messages are not possible here");
			return;
		}
		const parsed = parseAction(message.toString("utf8"));
		if (typeof parsed === "string") {
			this.#refuse(undefined, new HubError("BAD_REQUEST", parsed));
			return;
		}
		if (++this.#open === MOST_OPEN) this.#host.pause();
		void this.#answer(parsed).then(() => {
			if (this.#open-- === MOST_OPEN) this.#host.resume();
		});
	}

	close(): void {
		this.#closed = true;
		this.#client?.close();
	}

	unsubscribed(topic: string, { code, reason }: UnsubscribeReason): void {
		this.#send({ type: "unsubscribed", topic, code, reason });
	}

	subscribed(topic: string, result: Subscribed): void {
		this.#tellSubscribed(undefined, topic, result);
	}

	refreshed(expiresAt: number | undefined): void {
		this.#host.expires(expiresAt ?? Number.POSITIVE_INFINITY, 0);
	}

	disconnect(code: number, reason: string): void {
		this.#host.end(code, reason);
	}

	/** The connection takes part, and follows the topics that its claims name. */
	async #begin(): Promise<void> {
		const { credentials, hub, questions } = this.#host;
		try {
			const known = credentials ?? ANONYMOUS;
			const answer = questions?.asks.has("connect")
				? await questions.connect({ id: this.#host.id, ...known, json: true }, undefined)
				: undefined;
			const user = answer?.user ?? known.user;
			if (user === "" && !this.#host.anonymous) throw new HubError("UNAUTHORIZED");
			if (this.#closed) return;
			const client = new HubClient({
				id: this.#host.id,
				hub,
				identity: { ...known, user, connectionInfo: answer?.info ?? known.connectionInfo },
				outbox: this.#host.outbox,
				encoding,
				compress: this.#host.compress,
				events: this,
			});
			this.#client = client;
			this.#host.joined(client);
			this.#host.expires(answer?.expiresAt ?? known.expiresAt, 0);
			this.#send({ type: "connection_success", connection: client.id });
			// All at once: what the client asks for meanwhile must not come between, and no topic waits for another.
			const topics = new Set([...hub.rules.joinedBy(client.subject), ...(answer?.topics ?? [])]);
			await Promise.all([...topics].map((topic) => this.#join(client, topic)));
		} catch (error) {
			this.#failed(undefined, error);
			if (this.#client === undefined) this.#host.end(1008, (error as Error).message);
		}
	}

	/** The gateway or the backend subscribes it. Never rejects. */
	async #join(client: HubClient, topic: string): Promise<void> {
		try {
			await this.#start(undefined, topic, () => client.subscribe(topic, { byServer: true }));
		} catch (error) {
			this.#failed({ action: "subscribe", topic }, error);
		}
	}

	/** Never rejects. */
	async #answer(action: Action): Promise<void> {
		const client = this.#client;
		try {
			if (!client) throw new HubError("TOO_MANY_REQUESTS", "wait for connection_success");
			await this.#carryOut(client, action);
		} catch (error) {
			this.#failed(action, error);
			const { action: what, topic } = action;
			if (error instanceof HubError && (what === "subscribe" || what === "publish"))
				client?.refused(what, topic, error);
		}
	}

	async #carryOut(client: HubClient, action: Action): Promise<void> {
		const { topic, data, since, id } = action;
		const { questions } = this.#host;
		const asker = { id: client.id, user: client.user, claims: client.identity.claims, json: true };
		if (action.action === "subscribe") {
			client.maySubscribe(topic);
			if (questions?.asks.has("subscribe")) await questions.subscribe(asker, topic, undefined);
			await this.#start(id, topic, () => client.subscribe(topic, { since }));
		} else if (action.action === "unsubscribe") {
			client.unsubscribe(topic);
			this.#send({ type: "unsubscribed", id, topic });
		} else if (action.action === "publish") {
			if (data === undefined) throw new HubError("BAD_REQUEST", "publish has no data");
			if (!this.#host.mayPublish()) throw new HubError("TOO_MANY_REQUESTS");
			client.mayPublish(topic);
			const bytes = Buffer.from(data);
			const answer = questions?.asks.has("publish") ? await questions.publish(asker, topic, bytes) : undefined;
			await client.publish(topic, answer?.data ?? bytes, true);
			if (id !== undefined) this.#send({ type: "published", id, topic });
		} else if (action.action === "ping") this.#send({ type: "pong", id });
		else throw new HubError("UNKNOWN_METHOD", `unknown action ${action.action.slice(0, 32)}`);
	}

	async #start(id: Action["id"], topic: string, subscribe: () => Promise<Started>): Promise<void> {
		const { result, live } = await subscribe();
		this.#tellSubscribed(id, topic, result);
		for (const publication of result.publications) this.#write(publicationText(topic, publication));
		live();
	}

	#tellSubscribed(id: Action["id"], topic: string, { position, recovering, recovered }: Subscribed): void {
		const told = recovering ? recovered : undefined;
		this.#send({ type: "subscribed", id, topic, epoch: position?.epoch, offset: position?.offset, recovered: told });
	}

	#failed(action: Action | undefined, error: unknown): void {
		if (this.#closed) return;
		if (error instanceof HubError) this.#refuse(action, error);
		else if (error instanceof HubDisconnect) this.#host.end(error.code, error.message);
		else {
			this.#host.failed(error);
			this.#refuse(action, new HubError("INTERNAL"));
		}
	}

	#refuse(action: Action | undefined, { code, message }: HubError): void {
		this.#send({ type: "error", id: action?.id, topic: action?.topic || undefined, code, message });
	}

	#send(message: Readonly<Record<string, unknown>>): void {
		this.#write(JSON.stringify(message));
	}

	#write(text: string): void {
		if (!this.#closed) this.#host.outbox.push(messageFrame(OPCODE.text, Buffer.from(text)));
	}
}

/** What the hub itself says: a publication must not pass for one of these. */
const OWN_TYPES = new Set(["connection_success", "subscribed", "unsubscribed", "published", "error", "pong"]);

/** `type` of data that has one takes the place of `message`. */
function publicationText(topic: string, { data, json, offset }: Publication): string {
	const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString(json ? "utf8" : "base64");
	const payload = json ? text : JSON.stringify(text);
	const place = offset === 0 ? "" : `,"offset":${offset}`;
	return `{"type":${json ? typeOf(text) : '"message"'},"topic":${JSON.stringify(topic)},"data":${payload}${place}}`;
}

/** The JSON text of an object's `type`, when that is a string. */
function typeOf(text: string): string {
	const type = text.trimStart().startsWith("{") ? rawMembers(text).get("type") : undefined;
	return type?.startsWith('"') && !OWN_TYPES.has(JSON.parse(type)) ? type : '"message"';
}

/** What is wrong with it, in words, when it is not an action. */
function parseAction(text: string): Action | string {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return "the message is not JSON";
	}
	if (typeof value !== "object" || value === null || Array.isArray(value)) return "the message is not a JSON object";
	const { id, action, topic = "", since } = value as Record<string, unknown>;
	if (typeof action !== "string") return "action is missing: subscribe, unsubscribe, publish or ping";
	if (id !== undefined && typeof id !== "string" && typeof id !== "number") return "id is a text or a number";
	if (typeof topic !== "string") return "topic is a text";
	const position = since === undefined ? undefined : positionOf(since);
	if (position === null) return "since is an object with epoch and offset";
	const data = Object.hasOwn(value, "data") ? rawMembers(text).get("data") : undefined;
	return { action, topic, since: position, data, ...(id !== undefined && { id }) };
}

function positionOf(since: unknown): Position | null {
	if (typeof since !== "object" || since === null) return null;
	const { epoch, offset } = since as Record<string, unknown>;
	return typeof epoch === "string" && typeof offset === "number" ? { epoch, offset } : null;
}
