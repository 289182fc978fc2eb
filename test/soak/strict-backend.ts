/** A backend that believes nothing: it reads what a gateway sends by the letter of RFC 9112 and RFC 6455 and notes every breach. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { acceptFor } from "../harness/raw-peer.ts";

export interface StrictBackend {
	readonly url: string;
	/** Requests that were read. */
	readonly requests: () => number;
	/** Opening handshakes among them. */
	readonly handshakes: () => number;
	/** What no gateway may send, with the bytes. */
	readonly breaches: readonly string[];
	close(): Promise<void>;
}

const START_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\/[\x21-\x7e\x80-\xff]*) HTTP\/1\.1$/;
const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)$/;
const KEY = /^[+/0-9A-Za-z]{22}==$/;

export async function startStrictBackend(): Promise<StrictBackend> {
	const breaches: string[] = [];
	const sockets = new Set<Socket>();
	let requests = 0;
	let handshakes = 0;
	const server = createServer({ noDelay: true }, (socket) => {
		sockets.add(socket);
		socket.on("error", () => undefined);
		socket.on("close", () => sockets.delete(socket));
		new StrictReader(socket, {
			request: (upgrade) => {
				requests++;
				if (upgrade) handshakes++;
			},
			breach: (what) => void breaches.push(what),
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
		requests: () => requests,
		handshakes: () => handshakes,
		breaches,
		close: async () => {
			for (const socket of sockets) socket.destroy();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

interface Noticed {
	request(upgrade: boolean): void;
	breach(what: string): void;
}

type Headers = Map<string, string[]>;

class StrictReader {
	readonly #socket: Socket;
	readonly #noticed: Noticed;
	#text = "";
	#state: "head" | "length" | "chunks" | "waiting" | "open" | "broken" = "head";
	#left = 0;

	constructor(socket: Socket, noticed: Noticed) {
		this.#socket = socket;
		this.#noticed = noticed;
		socket.on("data", (chunk: Buffer) => this.#read(chunk.toString("latin1")));
	}

	#read(text: string): void {
		if (this.#state === "open" || this.#state === "broken") return;
		if (this.#state === "waiting") {
			this.#breach("bytes behind the head of an opening handshake that was not answered yet", text);
			return;
		}
		this.#text += text;
		while (this.#step());
	}

	/** Takes one head, body or chunk; false when more bytes are needed. */
	#step(): boolean {
		if (this.#state === "head") return this.#text !== "" && this.#head();
		if (this.#state === "length") {
			if (this.#text.length < this.#left) return false;
			this.#text = this.#text.slice(this.#left);
			return this.#answer();
		}
		if (this.#state === "chunks") return this.#chunk();
		return false;
	}

	#head(): boolean {
		const end = this.#text.indexOf("\r\n\r\n");
		if (end < 0) return false;
		const head = this.#text.slice(0, end);
		this.#text = this.#text.slice(end + 4);
		const [startLine = "", ...lines] = head.split("\r\n");
		const start = START_LINE.exec(startLine);
		if (!start) return this.#breach("a start line that is none", head);
		const headers: Headers = new Map();
		for (const line of lines) {
			const header = HEADER.exec(line);
			if (!header) return this.#breach("a header that is none", head);
			const name = (header[1] as string).toLowerCase();
			headers.set(name, [...(headers.get(name) ?? []), (header[2] as string).trim()]);
		}
		if (headers.get("host")?.length !== 1) return this.#breach("not exactly one Host", head);
		for (const name of ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-request-id"]) {
			if (headers.get(name)?.length !== 1) return this.#breach(`not exactly one ${name}`, head);
		}
		return headers.has("upgrade") ? this.#upgrade(start[1] as string, headers, head) : this.#plain(headers, head);
	}

	#upgrade(method: string, headers: Headers, head: string): boolean {
		const one = (name: string): string | undefined => {
			const values = headers.get(name);
			return values?.length === 1 ? values[0] : undefined;
		};
		const key = one("sec-websocket-key") ?? "";
		if (method !== "GET") return this.#breach("an opening handshake that is no GET", head);
		if (one("upgrade") !== "websocket" || one("connection") !== "Upgrade") return this.#breach("another upgrade", head);
		if (!KEY.test(key) || one("sec-websocket-version") !== "13") return this.#breach("a wrong key or version", head);
		if (headers.has("content-length") || headers.has("transfer-encoding")) return this.#breach("a body", head);
		this.#noticed.request(true);
		if (this.#text !== "") return this.#breach("bytes behind the head of an opening handshake", head + this.#text);
		this.#state = "waiting";
		// Whatever comes before the answer comes too early.
		setTimeout(() => {
			if (this.#state !== "waiting") return;
			this.#state = "open";
			this.#socket.write(
				`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`,
			);
		}, 2);
		return false;
	}

	#plain(headers: Headers, head: string): boolean {
		const lengths = headers.get("content-length") ?? [];
		const codings = headers.get("transfer-encoding") ?? [];
		if (lengths.length + codings.length > 1) return this.#breach("two framings", head);
		if (lengths.some((length) => !/^\d+$/.test(length)) || codings.some((coding) => coding !== "chunked")) {
			return this.#breach("a framing that is none", head);
		}
		this.#noticed.request(false);
		this.#left = Number(lengths[0] ?? 0);
		this.#state = codings.length > 0 ? "chunks" : "length";
		return true;
	}

	#chunk(): boolean {
		const end = this.#text.indexOf("\r\n");
		if (end < 0) return false;
		const size = this.#text.slice(0, end);
		if (!/^[0-9a-f]+$/i.test(size)) return this.#breach("a chunk size that is none", this.#text);
		const length = Number.parseInt(size, 16);
		if (this.#text.length < end + 2 + length + 2) return false;
		const rest = this.#text.slice(end + 2 + length);
		if (!rest.startsWith("\r\n")) return this.#breach("a chunk without an end", this.#text);
		this.#text = rest.slice(2);
		return length === 0 ? this.#answer() : true;
	}

	#answer(): boolean {
		this.#state = "head";
		this.#socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		return true;
	}

	#breach(what: string, bytes: string): false {
		this.#state = "broken";
		this.#noticed.breach(`${what}: ${JSON.stringify(bytes.slice(0, 2_000))}`);
		this.#socket.destroy();
		return false;
	}
}
