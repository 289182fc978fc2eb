/** Messages for hubs with parts changed by chance: what a broken or hostile client might send. */
import protobuf from "protobufjs/light.js";
import { WebSocket } from "ws";
import { COMMAND, type Command } from "../../src/hub/protocols/centrifuge/schema.ts";
import { inTime } from "./in-time.ts";

/** What is sent: a text, or bytes. */
export type Fuzzed = string | Buffer;

export const FORMATS = ["json", "protobuf", "plain"] as const;
export type Format = (typeof FORMATS)[number];

/** A generator with a seed, so that a failure can be had again (mulberry32). */
export function randomFrom(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
}

const DATA = Buffer.from('{"a":1}');
const COMMANDS: readonly Command[] = [
	{ id: 2, subscribe: { channel: "t.a", recover: true, epoch: "e", offset: 3 } },
	{ id: 3, unsubscribe: { channel: "t.a" } },
	{ id: 4, publish: { channel: "t.a", data: DATA } },
	{ id: 5, presence: { channel: "t.a" } },
	{ id: 6, presence_stats: { channel: "t.a" } },
	{ id: 7, history: { channel: "t.a", limit: 5, since: { epoch: "e", offset: 1 }, reverse: true } },
	{ id: 8, rpc: { method: "m", data: DATA } },
	{ id: 9, refresh: { token: "x.y.z" } },
	{ id: 10, ping: {} },
	{ id: 11, connect: { token: "t" } },
	{ send: { data: DATA } } as Command,
	{},
];
const PLAIN = [
	{ action: "subscribe", topic: "t.a", since: { epoch: "e", offset: 1 }, id: 1 },
	{ action: "unsubscribe", topic: "t.a", id: "x" },
	{ action: "publish", topic: "t.a", data: { type: "x", n: 1 }, id: 2 },
	{ action: "ping" },
];
const ODD = [
	"",
	"null",
	"[]",
	"{",
	"-1",
	"1e400",
	'"\\ud800"',
	"[".repeat(2_000),
	'{"__proto__":{"id":1}}',
	"\0",
	"true",
];

function asJson(command: Command): string {
	return JSON.stringify(command, (_, value: unknown) =>
		typeof value === "object" && value !== null && (value as { type?: unknown }).type === "Buffer" ? { a: 1 } : value,
	);
}

/** The client's first message; undefined where the protocol has none. */
export function hello(format: Format): Fuzzed | undefined {
	if (format === "plain") return undefined;
	return format === "json" ? '{"id":1,"connect":{}}' : encoded([{ id: 1, connect: {} } as Command]);
}

function encoded(commands: readonly Command[]): Buffer {
	const writer = protobuf.Writer.create();
	for (const command of commands) COMMAND.encodeDelimited(COMMAND.create(command as object), writer);
	return Buffer.from(writer.finish());
}

/** A message of a client, changed in some places. */
export function mutated(format: Format, random: () => number): Fuzzed {
	const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
	const seeds: readonly unknown[] = format === "plain" ? PLAIN : COMMANDS;
	if (format !== "protobuf" && random() < 0.05) return pick(ODD);
	const one = pick(seeds);
	const bytes =
		format === "protobuf"
			? encoded([one as Command])
			: Buffer.from(format === "json" ? asJson(one as Command) : JSON.stringify(one));
	const changes = Math.floor(random() * 4);
	let result = bytes;
	for (let index = 0; index < changes && result.length > 0; index++) {
		const at = Math.floor(random() * result.length);
		const how = random();
		if (how < 0.5) result[at] = Math.floor(random() * 256);
		else if (how < 0.7)
			result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + Math.floor(random() * 4))]);
		else if (how < 0.9)
			result = Buffer.concat([
				result.subarray(0, at),
				bytes.subarray(0, Math.floor(random() * 16)),
				result.subarray(at),
			]);
		else result = result.subarray(0, at);
	}
	if (format === "protobuf" || random() < 0.02) return result;
	return result.toString("utf8");
}

export interface FuzzResult {
	readonly sent: number;
	readonly connections: number;
	/** Connections that ended, by close code. */
	readonly codes: ReadonlyMap<number, number>;
}

/**
 * Sends so many changed messages over real sockets, on a new connection whenever the gateway ends one.
 * @param url the route of the format
 */
export async function fuzzHub(url: string, format: Format, messages: number, seed: number): Promise<FuzzResult> {
	const random = randomFrom(seed);
	const codes = new Map<number, number>();
	let sent = 0;
	let connections = 0;
	while (sent < messages) {
		const ws = new WebSocket(url, format === "protobuf" ? ["centrifuge-protobuf"] : []);
		connections++;
		ws.on("error", () => {});
		ws.on("message", () => {});
		const closed = new Promise<number>((resolve) => ws.on("close", (code) => resolve(code)));
		await inTime(new Promise((resolve) => ws.once("open", resolve)), "the connection to open");
		const first = hello(format);
		if (first !== undefined) ws.send(first);
		// A connection is not kept for ever, so that its end is tried too.
		for (let left = 50; left > 0 && ws.readyState === WebSocket.OPEN && sent < messages; left--, sent++) {
			ws.send(mutated(format, random));
			if (left % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
		}
		ws.close(1000);
		const code = await inTime(closed, "the connection to end");
		codes.set(code, (codes.get(code) ?? 0) + 1);
	}
	return { sent, connections, codes };
}
