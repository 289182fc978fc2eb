/** A request made from a command line, read by the same HTTP parser as a listener's. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import { isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { wantsWebSocket } from "../protocol/handshake.ts";

/** What the operator asks about. */
export interface Question {
	/** `ws` and `wss` ask for a WebSocket, `http` and `https` are plain requests. */
	readonly websocket: boolean;
	readonly secure: boolean;
	/** As in the URL, without the port. */
	readonly hostname: string;
	readonly port: number;
	/** What stands behind the host, to the byte; characters outside ASCII are encoded as a client does. */
	readonly target: string;
	readonly authority: string;
}

const URL_FORM = /^(wss?|https?):\/\/([^/?#]*)([^#]*)(#.*)?$/i;
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[^@:[\]\s]+)(?::(\d{1,5}))?$/i;

/** Reads a URL; a text says what is wrong with it. */
export function readUrl(text: string): Question | string {
	const match = URL_FORM.exec(text);
	if (!match) return "expected a URL such as wss://chat.example.com/ws";
	const [, scheme = "", authority = "", rest = "", fragment] = match;
	const host = AUTHORITY.exec(authority);
	if (!host) return "the URL's host is not a host name with an optional port";
	if (fragment !== undefined) return "a URL with a # part cannot be asked for; leave it out";
	const secure = /^(wss|https)$/i.test(scheme);
	const port = host[2] === undefined ? (secure ? 443 : 80) : Number(host[2]);
	if (port > 65_535) return "the URL's port is above 65535";
	const path = rest.startsWith("/") ? rest : `/${rest}`;
	return {
		websocket: /^ws/i.test(scheme),
		secure,
		hostname: (host[1] as string).toLowerCase(),
		port,
		target: path.replace(/[^\x21-\x7e]+/gu, encodeURIComponent),
		// A client leaves out the scheme's own port (WHATWG URL).
		authority: port === (secure ? 443 : 80) ? (host[1] as string) : authority,
	};
}

/** Reads `Name: value`; a text says what is wrong with it. */
export function readHeader(text: string): [name: string, value: string] | string {
	const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*:\s*(.*)$/s.exec(text);
	if (!match) return `-H ${JSON.stringify(text)}: expected 'Name: value'`;
	// biome-ignore lint/suspicious/noControlCharactersInRegex: these would end the header, or are no text at all
	if (/[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/.test(match[2] as string)) {
		return `-H ${match[1]}: the value holds a character that no header can have`;
	}
	return [match[1] as string, match[2] as string];
}

export interface HeadOptions {
	/** Sent as well; one that a client sends by itself is replaced. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	readonly subprotocols: readonly string[];
}

/** The bytes of the request's head (RFC 6455 §4.1). */
export function requestHead(question: Question, { headers, subprotocols }: HeadOptions): string {
	const own: (readonly [string, string])[] = [["Host", question.authority]];
	if (question.websocket) {
		own.push(["Upgrade", "websocket"], ["Connection", "Upgrade"]);
		own.push(["Sec-WebSocket-Key", randomBytes(16).toString("base64")], ["Sec-WebSocket-Version", "13"]);
		if (subprotocols.length > 0) own.push(["Sec-WebSocket-Protocol", subprotocols.join(", ")]);
	}
	const given = new Set(headers.map(([name]) => name.toLowerCase()));
	const all = [...own.filter(([name]) => !given.has(name.toLowerCase())), ...headers];
	return `GET ${question.target} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** How the request arrives. */
export interface Arrival {
	readonly head: string;
	readonly remoteAddress: string;
	readonly localPort: number;
	readonly encrypted: boolean;
	readonly maxHeaderSize: number;
}

export interface Arrived {
	readonly message: IncomingMessage;
	readonly socket: Socket;
	readonly websocket: boolean;
}

/** Lets Node's HTTP server read a head, as a listener does. Resolves with a text when it does not take it. */
export function parseRequest({
	head,
	remoteAddress,
	localPort,
	encrypted,
	maxHeaderSize,
}: Arrival): Promise<Arrived | string> {
	const facts = { remoteAddress: isIP(remoteAddress) === 0 ? undefined : remoteAddress, localPort };
	const tls = encrypted ? { encrypted: true, authorized: false, getProtocol: () => null } : {};
	const wire = Object.assign(new Wire(head), facts, tls);
	// Nothing but these facts is asked of it.
	const socket = wire as unknown as Socket;
	const server = createServer({ maxHeaderSize });
	return new Promise((resolve) => {
		const done = (answer: Arrived | string): void => {
			resolve(answer);
			wire.destroy();
		};
		server.on("upgrade", (message) => done({ message, socket, websocket: wantsWebSocket(message.headers) }));
		server.on("request", (message) => done({ message, socket, websocket: false }));
		server.on("clientError", (error: NodeJS.ErrnoException) =>
			done(error.code === "HPE_HEADER_OVERFLOW" ? "the request head is larger than max_header_size" : error.message),
		);
		server.emit("connection", socket);
	});
}

/** A connection that brings one head and takes whatever is written. */
class Wire extends Duplex {
	#head: string | null;

	constructor(head: string) {
		super();
		this.#head = head;
	}

	override _read(): void {
		if (this.#head !== null) this.push(this.#head, "latin1");
		this.#head = null;
	}

	override _write(_chunk: unknown, _encoding: string, done: () => void): void {
		done();
	}
}
