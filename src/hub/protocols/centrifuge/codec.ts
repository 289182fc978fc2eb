/** The two formats of Centrifugo's protocol: JSON (a message a line) and Protobuf (length-delimited messages). */
import protobuf from "protobufjs/light.js";
import { OPCODE } from "../../../protocol/frames.ts";
import type { MessageOpcode } from "../../frame.ts";
import type { Encoding } from "../../message.ts";
import { rawMembers } from "../../raw-json.ts";
import { COMMAND, type Command, REPLY } from "./schema.ts";
import { type Wire, type WireValue, wireInfo, wirePublication } from "./wire.ts";

/** A format. */
export interface Codec {
	readonly encoding: Encoding;
	/** Whether `data` is JSON. */
	readonly json: boolean;
	/** What a frame holds. @throws Error when it cannot be read */
	decode(message: Buffer): Command[];
	encode(reply: Wire): Uint8Array;
}

/** The requests that have data of the application. */
const WITH_DATA = ["connect", "subscribe", "publish", "send", "rpc"] as const;

export const jsonCodec: Codec = {
	json: true,
	encoding: encodingOf(0, OPCODE.text, encodeJson, true),
	decode(message) {
		return message
			.toString("utf8")
			.split("\n")
			.flatMap((line) => (line.trim() === "" ? [] : decodeLine(line)));
	},
	encode: encodeJson,
};

export const protobufCodec: Codec = {
	json: false,
	encoding: encodingOf(1, OPCODE.binary, encodeProtobuf, false),
	decode(message) {
		const reader = protobuf.Reader.create(message);
		const commands: Command[] = [];
		while (reader.pos < reader.len) {
			commands.push(COMMAND.toObject(COMMAND.decodeDelimited(reader), { longs: Number }) as Command);
		}
		return commands;
	},
	encode: encodeProtobuf,
};

function encodingOf(
	index: number,
	opcode: MessageOpcode,
	encode: (reply: Wire) => Uint8Array,
	toJson: boolean,
): Encoding {
	return {
		index,
		opcode,
		publication: (channel, publication) => encode({ push: { channel, pub: wirePublication(publication, toJson) } }),
		join: (channel, info) => encode({ push: { channel, join: { info: wireInfo(info) } } }),
		leave: (channel, info) => encode({ push: { channel, leave: { info: wireInfo(info) } } }),
	};
}

function decodeLine(line: string): Command {
	const value: unknown = JSON.parse(line);
	if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("expected an object");
	const command = value as Record<string, unknown>;
	for (const method of WITH_DATA) {
		const request = command[method];
		if (typeof request !== "object" || request === null || !("data" in request)) continue;
		const raw = rawMembers(rawMembers(line).get(method) as string).get("data") as string;
		(request as Record<string, unknown>).data = Buffer.from(raw);
	}
	const problem = COMMAND.verify(command);
	if (problem !== null) throw new Error(problem);
	return command as Command;
}

function encodeJson(reply: Wire): Buffer {
	return Buffer.from(jsonText(reply));
}

/** Bytes are JSON texts already. */
function jsonText(value: WireValue): string {
	if (typeof value !== "object") return JSON.stringify(value);
	if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8");
	if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
	const members: string[] = [];
	for (const name in value as Wire) {
		const member = (value as Wire)[name];
		if (member !== undefined) members.push(`${JSON.stringify(name)}:${jsonText(member)}`);
	}
	return `{${members.join(",")}}`;
}

function encodeProtobuf(reply: Wire): Uint8Array {
	return REPLY.encodeDelimited(reply).finish();
}
