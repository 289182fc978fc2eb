/** Centrifugo's protocol on one connection: commands in, replies and pushes out. */
import { HubClient, type ProtocolEvents, type Started, type Subscribed } from "../../client.ts";
import type { Position } from "../../engine.ts";
import { HubDisconnect, HubError } from "../../errors.ts";
import { messageFrame } from "../../frame.ts";
import {
	ANONYMOUS,
	type Credentials,
	type Host,
	type ProtocolConnection,
	type QuestionClient,
} from "../../protocol.ts";
import type { UnsubscribeReason } from "../../subscription.ts";
import type { Codec } from "./codec.ts";
import { type Command, METHODS, type Method, type WirePosition } from "./schema.ts";
import { type Wire, wireHistory, wireInfo, wireSubscribed } from "./wire.ts";

/** Codes with which a connection ends; from 3500 to 3999 the client does not come back. */
export const DISCONNECT = {
	internal: { code: 3004, reason: "internal server error" },
	invalidToken: { code: 3500, reason: "invalid token" },
	badRequest: { code: 3501, reason: "bad request" },
	stale: { code: 3502, reason: "stale" },
} as const;

/** How long after its token's end a client may bring a new one, ms. */
const REFRESH_GRACE = 25_000;
/** Commands of one connection that may wait for an answer; then nothing more is read from it. */
const MOST_OPEN = 64;
/** A client's timers hold a signed 32-bit number of milliseconds. */
const LONGEST_TTL = Math.floor((2 ** 31 - 1) / 1000);

export class CentrifugeConnection implements ProtocolConnection, ProtocolEvents {
	readonly #host: Host;
	readonly #codec: Codec;
	#client: HubClient | undefined;
	/** Set while the first command is answered: the others wait for it. */
	#connecting: Promise<void> | undefined;
	#open = 0;
	#closed = false;

	constructor(host: Host, codec: Codec) {
		this.#host = host;
		this.#codec = codec;
	}

	receive(message: Buffer, isBinary: boolean): void {
		let commands: Command[];
		try {
			if (isBinary === this.#codec.json) throw new Error(isBinary ? "expected text" : "expected a binary message");
			commands = this.#codec.decode(message);
		} catch (error) {
			this.#badRequest((error as Error).message);
			return;
		}
		for (const command of commands) {
			if (this.#closed) return;
			this.#take(command);
		}
	}

	close(): void {
		this.#closed = true;
		this.#client?.close();
	}

	unsubscribed(channel: string, { code, reason }: UnsubscribeReason): void {
		this.#send({ push: { channel, unsubscribe: { code, reason } } });
	}

	subscribed(channel: string, { position }: Subscribed, data: Uint8Array | undefined): void {
		const { epoch, offset } = position ?? {};
		const recoverable = position && true;
		this.#send({ push: { channel, subscribe: { recoverable, positioned: recoverable, epoch, offset, data } } });
	}

	refreshed(expiresAt: number | undefined): void {
		const at = expiresAt ?? Number.POSITIVE_INFINITY;
		this.#host.expires(at, REFRESH_GRACE);
		this.#send({ push: { refresh: expiry(at) } });
	}

	disconnect(code: number, reason: string): void {
		this.#end({ code, reason });
	}

	#take(command: Command): void {
		const method = METHODS.find((name) => command[name] !== undefined && command[name] !== null);
		// An empty command answers a ping.
		if (method === undefined) return;
		const { id = 0 } = command;
		if (id === 0 && method !== "send") {
			this.#badRequest(`${method} has no id`);
			return;
		}
		if (this.#client === undefined && this.#connecting === undefined && method !== "connect") {
			this.#badRequest("the first command has to be connect");
			return;
		}
		if (++this.#open === MOST_OPEN) this.#host.pause();
		const answer =
			this.#connecting !== undefined && method !== "connect"
				? this.#connecting.then(() => this.#answer(id, method, command))
				: this.#answer(id, method, command);
		if (method === "connect") this.#connecting ??= answer;
		void answer.then(() => {
			if (this.#open-- === MOST_OPEN) this.#host.resume();
		});
	}

	/** Never rejects. */
	async #answer(id: number, method: Method, command: Command): Promise<void> {
		try {
			if (!this.#closed) await this.#carryOut(id, method, command);
		} catch (error) {
			if (this.#closed) return;
			if (error instanceof HubError) {
				const { number: code, message, temporary } = error;
				this.#send({ id, error: { code, message, temporary: temporary || undefined } });
				if (method === "subscribe" || method === "publish") {
					this.#client?.refused(method, command[method]?.channel ?? "", error);
				}
			} else if (error instanceof HubDisconnect) this.#end({ code: error.code, reason: error.message });
			else {
				this.#host.failed(error);
				this.#end(DISCONNECT.internal);
			}
		}
	}

	async #carryOut(id: number, method: Method, command: Command): Promise<void> {
		if (method === "connect") {
			await this.#connect(id, command.connect ?? {});
			return;
		}
		const client = this.#client;
		// The connection was refused: the client was told.
		if (!client) return;
		if (method === "refresh") await this.#refresh(id, client, command.refresh?.token ?? "");
		else if (method === "subscribe") await this.#subscribe(id, client, command.subscribe ?? {});
		else if (method === "unsubscribe") {
			client.unsubscribe(command.unsubscribe?.channel ?? "");
			this.#send({ id, unsubscribe: {} });
		} else if (method === "publish") {
			await this.#publish(client, command.publish ?? {});
			this.#send({ id, publish: {} });
		} else if (method === "presence") {
			const present = await client.presence(command.presence?.channel ?? "");
			const presence: Record<string, Wire> = Object.create(null);
			for (const [key, info] of present) presence[key] = wireInfo(info);
			this.#send({ id, presence: { presence } });
		} else if (method === "presence_stats") {
			const present = [...(await client.presence(command.presence_stats?.channel ?? "")).values()];
			const users = new Set(present.map(({ user }) => user));
			this.#send({ id, presence_stats: { num_clients: present.length, num_users: users.size } });
		} else if (method === "history") {
			const { channel = "", limit = 0, since, reverse = false } = command.history ?? {};
			const history = await client.history(channel, {
				since: since && { epoch: since.epoch ?? "", offset: since.offset ?? 0 },
				limit: limit < 0 ? undefined : limit,
				reverse,
			});
			this.#send({ id, history: wireHistory(history, this.#codec.json) });
		} else if (method === "ping") this.#send({ id, ping: {} });
		else if (method === "rpc" || method === "send") await this.#ask(id, method, client, command);
		// Subscriptions have no tokens here, so there is none to refresh.
		else throw new HubError("NOT_AVAILABLE");
	}

	async #connect(id: number, request: NonNullable<Command["connect"]>): Promise<void> {
		const host = this.#host;
		if (this.#connecting !== undefined) {
			this.#badRequest("connect came twice");
			return;
		}
		let credentials: Credentials | undefined = host.credentials;
		if (credentials === undefined && request.token) {
			try {
				credentials = await host.verify(request.token);
			} catch (error) {
				// The client fetches another one after this error; after the others it would only come back.
				if (error instanceof HubError && error.code !== "UNAUTHORIZED") throw error;
				if (!(error instanceof HubError)) throw error;
				this.#end(DISCONNECT.invalidToken);
				return;
			}
		}
		const { hub, questions } = host;
		if (credentials === undefined && !host.anonymous && !questions?.asks.has("connect")) {
			throw new HubError("UNAUTHORIZED");
		}
		credentials ??= ANONYMOUS;
		const answer = questions?.asks.has("connect")
			? await questions.connect(this.#questioner(credentials), request.data)
			: undefined;
		const user = answer?.user ?? credentials.user;
		if (user === "" && !host.anonymous) throw new HubError("UNAUTHORIZED");
		if (this.#closed) return;
		const client = new HubClient({
			id: host.id,
			hub,
			identity: { ...credentials, user, connectionInfo: answer?.info ?? credentials.connectionInfo },
			outbox: host.outbox,
			encoding: this.#codec.encoding,
			compress: host.compress,
			events: this,
		});
		this.#client = client;
		host.joined(client);
		const expiresAt = answer?.expiresAt ?? credentials.expiresAt;
		const topics = new Set([...hub.rules.joinedBy(client.subject), ...(answer?.topics ?? [])]);
		const started = await Promise.all(
			[...topics].map(async (topic): Promise<readonly [string, Started] | undefined> => {
				try {
					return [topic, await client.subscribe(topic, { byServer: true, since: positionOf(request.subs?.[topic]) })];
				} catch (error) {
					if (error instanceof HubError && !error.temporary) return undefined;
					throw error;
				}
			}),
		);
		const subs: Record<string, Wire> = Object.create(null);
		for (const each of started) if (each) subs[each[0]] = wireSubscribed(each[1].result, this.#codec.json);
		host.expires(expiresAt, REFRESH_GRACE);
		const { interval } = hub.config.ping;
		this.#send({
			id,
			connect: {
				client: client.id,
				...expiry(expiresAt),
				data: answer?.data,
				subs: Object.keys(subs).length > 0 ? subs : undefined,
				ping: Math.max(1, Math.round(interval / 1000)),
				pong: true,
			},
		});
		for (const each of started) each?.[1].live();
	}

	async #refresh(id: number, client: HubClient, token: string): Promise<void> {
		const credentials = await this.#host.verify(token);
		if (credentials.user !== client.user) {
			this.#end(DISCONNECT.invalidToken);
			return;
		}
		this.#host.expires(credentials.expiresAt, REFRESH_GRACE);
		this.#send({ id, refresh: { client: client.id, ...expiry(credentials.expiresAt) } });
	}

	async #subscribe(id: number, client: HubClient, request: NonNullable<Command["subscribe"]>): Promise<void> {
		const { channel = "" } = request;
		const { questions } = this.#host;
		client.maySubscribe(channel);
		const answer = questions?.asks.has("subscribe")
			? await questions.subscribe(this.#questioner(client.identity), channel, request.data)
			: undefined;
		const { result, live } = await client.subscribe(channel, {
			since: positionOf(request),
			joinLeave: request.join_leave,
		});
		this.#send({ id, subscribe: { ...wireSubscribed(result, this.#codec.json), data: answer?.data } });
		live();
	}

	async #publish(client: HubClient, { channel = "", data }: NonNullable<Command["publish"]>): Promise<void> {
		if (data === undefined || data.length === 0) throw new HubError("BAD_REQUEST", "publish has no data");
		if (!this.#host.mayPublish()) throw new HubError("TOO_MANY_REQUESTS");
		const { questions } = this.#host;
		client.mayPublish(channel);
		const answer = questions?.asks.has("publish")
			? await questions.publish(this.#questioner(client.identity), channel, data)
			: undefined;
		const published = answer?.data ?? data;
		await client.publish(channel, published, this.#codec.json || isJson(published));
	}

	async #ask(id: number, method: "rpc" | "send", client: HubClient, command: Command): Promise<void> {
		if (!this.#host.mayPublish()) throw new HubError("TOO_MANY_REQUESTS");
		const { questions } = this.#host;
		const { data } = command[method] ?? {};
		const name = command.rpc?.method ?? "";
		if (!questions?.asks.has("rpc")) throw new HubError("NOT_AVAILABLE");
		const answer = await questions.rpc(this.#questioner(client.identity), name, data);
		if (method === "rpc") this.#send({ id, rpc: { data: answer.data } });
	}

	#questioner({ user, claims }: Pick<Credentials, "user" | "claims">): QuestionClient {
		return { id: this.#host.id, user, claims, json: this.#codec.json };
	}

	#send(reply: Wire): void {
		if (this.#closed) return;
		// `send` has no answer.
		if (reply.id === 0) return;
		this.#host.outbox.push(messageFrame(this.#codec.encoding.opcode, this.#codec.encode(reply)));
	}

	#badRequest(message: string): void {
		this.#end({ code: DISCONNECT.badRequest.code, reason: `${DISCONNECT.badRequest.reason}: ${message}` });
	}

	#end({ code, reason }: { readonly code: number; readonly reason: string }): void {
		if (this.#closed) return;
		this.#host.end(code, reason);
	}
}

function positionOf(request: WirePosition | undefined): Position | undefined {
	if (!request?.recover) return undefined;
	return { epoch: request.epoch ?? "", offset: request.offset ?? 0 };
}

/** `expires` and `ttl` of a reply. */
function expiry(at: number): Wire {
	if (at === Number.POSITIVE_INFINITY) return {};
	const ttl = Math.max(1, Math.ceil((at - Date.now()) / 1000));
	return { expires: true, ttl: Math.min(ttl, LONGEST_TTL) };
}

function isJson(data: Uint8Array): boolean {
	try {
		JSON.parse(Buffer.from(data).toString("utf8"));
		return true;
	} catch {
		return false;
	}
}
