/** A name server for tests: real UDP on loopback, answers as told (RFC 1035 §4, RFC 2782, RFC 3596). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv4 } from "node:net";
import { onTestFinished } from "vitest";

export interface Service {
	readonly target: string;
	readonly port: number;
	readonly priority?: number;
	readonly weight?: number;
}

/** What a name has: addresses of the family asked for, services, or trouble for every question. */
export interface Zone {
	readonly a?: readonly string[];
	readonly aaaa?: readonly string[];
	readonly srv?: readonly Service[];
	readonly trouble?: "SERVFAIL" | "NXDOMAIN" | "REFUSED" | "silent" | "garbage";
}

export interface DnsServer {
	/** `127.0.0.1:port` */
	readonly address: string;
	/** `A chat.internal` for each question so far. */
	readonly questions: string[];
	/** What it answers from now on; a name that is not there is NXDOMAIN. */
	zones: Record<string, Zone>;
}

const TYPES: Record<number, "a" | "aaaa" | "srv"> = { 1: "a", 28: "aaaa", 33: "srv" };
const CODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** Starts it on a free port; it closes itself at the end of the test. */
export async function startDnsServer(zones: Record<string, Zone>): Promise<DnsServer> {
	const socket = createSocket("udp4");
	const server = { address: "", questions: [] as string[], zones };
	socket.on("error", () => undefined);
	socket.on("message", (query, { port, address }) => {
		const { name, type, end } = readQuestion(query);
		server.questions.push(`${(TYPES[type] ?? String(type)).toUpperCase()} ${name}`);
		const zone = server.zones[name] ?? { trouble: "NXDOMAIN" };
		if (zone.trouble === "silent") return;
		const answer = zone.trouble === "garbage" ? query.subarray(0, 5) : respond(query.subarray(0, end), zone, type);
		socket.send(answer, port, address);
	});
	socket.bind(0, "127.0.0.1");
	await once(socket, "listening");
	onTestFinished(() => void socket.close());
	server.address = `127.0.0.1:${socket.address().port}`;
	return server;
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
	const labels: string[] = [];
	let at = 12;
	for (let length = query[at++] as number; length > 0; length = query[at++] as number) {
		labels.push(query.toString("latin1", at, at + length));
		at += length;
	}
	return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at), end: at + 4 };
}

/** The query's header and question with the answer behind it. */
function respond(query: Buffer, { trouble, ...zone }: Zone, type: number): Buffer {
	const code = trouble === undefined ? CODES.NOERROR : CODES[trouble as keyof typeof CODES];
	const kind = TYPES[type];
	const records = trouble !== undefined || kind === undefined ? [] : (zone[kind] ?? []);
	const header = Buffer.from(query);
	header.writeUInt16BE(0x8580 | code, 2);
	header.writeUInt16BE(1, 4);
	header.writeUInt16BE(records.length, 6);
	header.writeUInt32BE(0, 8);
	return Buffer.concat([header, ...records.map((record) => resourceRecord(type, dataOf(record)))]);
}

function resourceRecord(type: number, data: Buffer): Buffer {
	const head = Buffer.alloc(12);
	// A pointer to the name in the question (RFC 1035 §4.1.4).
	head.writeUInt16BE(0xc00c, 0);
	head.writeUInt16BE(type, 2);
	head.writeUInt16BE(1, 4);
	head.writeUInt32BE(0, 6);
	head.writeUInt16BE(data.length, 10);
	return Buffer.concat([head, data]);
}

function dataOf(record: string | Service): Buffer {
	if (typeof record !== "string") {
		const head = Buffer.alloc(6);
		head.writeUInt16BE(record.priority ?? 0, 0);
		head.writeUInt16BE(record.weight ?? 0, 2);
		head.writeUInt16BE(record.port, 4);
		return Buffer.concat([head, ...labelsOf(record.target)]);
	}
	return isIPv4(record) ? Buffer.from(record.split(".").map(Number)) : ipv6(record);
}

function labelsOf(name: string): Buffer[] {
	const labels = name.split(".").filter((label) => label !== "");
	return [...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])];
}

function ipv6(address: string): Buffer {
	const [before = "", after = ""] = address.split("::");
	const groups = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));
	const [left, right] = [groups(before), groups(after)];
	const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
	return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
