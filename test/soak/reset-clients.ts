/** Clients of the reset storm: each cuts its connection, or lets its backend do it, at one step of its life. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { closePayload, frame, frameHeader, OPCODE } from "../harness/frames.ts";

/** Where the connection is cut. Those that begin with `backend-` are cut by the backend, which reads it in the path. */
export const CLIENT_CUTS = [
	"after-connect",
	"mid-head",
	"after-head",
	"backend-silent-then-client",
	"after-101",
	"mid-frame",
	"mid-close",
	"after-close",
	"after-close-and-fin",
	"after-close-answered",
	"while-data-flows",
	"backend-on-accept",
	"backend-after-head",
	"backend-mid-101",
	"backend-after-101",
	"backend-mid-frame",
	"backend-mid-close",
	"backend-after-close",
	"backend-refuses-and-resets",
	"http-mid-body",
	"http-silent-then-client",
	"http-mid-answer",
	"http-backend-after-head",
	"http-backend-mid-answer",
	"http-then-upgrade-mid-frame",
	"bad-handshake",
] as const;

export type Cut = (typeof CLIENT_CUTS)[number];

export interface CutOptions {
	readonly index: number;
	readonly cut: Cut;
	readonly tls: boolean;
	readonly port: number;
	readonly random: () => number;
	/** Calls back when this client's request has reached a backend. */
	readonly whenReached: (index: number, then: () => void) => void;
}

/** What one client saw. */
export interface CutClient {
	readonly cut: Cut;
	/** A whole answer's head arrived. */
	readonly answered: boolean;
	/** It was a 101. */
	readonly opened: boolean;
	/** The gateway did not end what it should have. */
	readonly hung: boolean;
}

/** Added to a connection's number for the second request on it, which leaves a line of its own. */
export const SECOND_REQUEST = 10_000_000;
/** Longer than every time of the gateway's configuration. */
const HANGS_AFTER_MS = 15_000;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

export function cutOne({ index, cut, tls, port, random, whenReached }: CutOptions): Promise<CutClient> {
	return new Promise((resolve) => {
		const tcp = connect({ port, host: "127.0.0.1", noDelay: true });
		const socket: Socket =
			tls && cut !== "after-connect" ? connectTls({ socket: tcp, rejectUnauthorized: false }) : tcp;
		let text = "";
		let heads = 0;
		let opened = false;
		let hung = false;
		const timer = setTimeout(() => {
			hung = true;
			ended();
		}, HANGS_AFTER_MS);
		const ended = (): void => {
			clearTimeout(timer);
			socket.destroy();
			tcp.destroy();
			resolve({ cut, answered: heads > 0, opened, hung });
		};
		const reset = (): void => {
			tcp.resetAndDestroy();
			// Below TLS its end is not always told, and Node 20 does not bear it when both are destroyed at once.
			setTimeout(ended, 250);
		};
		/** Now, in this tick's end, or a little later. */
		const soon = (action: () => void): void => {
			const draw = random();
			if (draw < 0.3) action();
			else if (draw < 0.6) setImmediate(action);
			else setTimeout(action, draw * 6);
		};
		const onHead = (status: number): void => {
			heads++;
			if (status === 101) opened = true;
			afterHead(cut, status, heads, { socket, soon, reset, index });
		};
		const onData = (chunk: Buffer): void => {
			if (opened) {
				if (cut === "while-data-flows" || cut === "after-close-answered") soon(reset);
				else if (isClose(chunk)) socket.end();
				return;
			}
			text += chunk.toString("latin1");
			for (let end = text.indexOf("\r\n\r\n"); end >= 0 && !opened; end = text.indexOf("\r\n\r\n")) {
				const status = Number(text.slice(9, 12));
				const length = Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
				text = text.slice(end + 4 + (status === 101 ? 0 : length));
				onHead(status);
			}
		};
		socket.on("data", onData);
		socket.on("error", () => undefined);
		if (socket !== tcp) tcp.on("error", () => undefined);
		// Whatever ends it, the other half has nothing more to say.
		socket.on("end", () => socket.end());
		socket.on("close", ended);
		tcp.on("close", ended);
		socket.once(socket === tcp ? "connect" : "secureConnect", () =>
			begin(cut, index, { socket, soon, reset, random, whenReached }),
		);
	});
}

interface Actions {
	readonly socket: Socket;
	readonly soon: (action: () => void) => void;
	readonly reset: () => void;
}

function begin(cut: Cut, index: number, actions: Actions & Pick<CutOptions, "random" | "whenReached">): void {
	const { socket, soon, reset, random, whenReached } = actions;
	switch (cut) {
		case "after-connect":
			soon(reset);
			return;
		case "mid-head": {
			const head = upgrade(index, cut);
			socket.write(head.slice(0, 1 + Math.floor(random() * (head.length - 2))));
			soon(reset);
			return;
		}
		case "after-head":
			socket.write(upgrade(index, cut));
			// Somewhere between the gateway's reading of the head and its 101.
			setTimeout(reset, random() * 80);
			return;
		case "backend-silent-then-client":
			socket.write(upgrade(index, cut));
			whenReached(index, () => soon(reset));
			return;
		case "http-mid-body":
			socket.write(
				`POST /http/${index}/${cut} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n${"x".repeat(5_000)}`,
			);
			whenReached(index, () => soon(reset));
			return;
		case "http-silent-then-client":
			socket.write(plain(index, cut));
			whenReached(index, () => soon(reset));
			return;
		case "http-mid-answer":
		case "http-backend-after-head":
		case "http-backend-mid-answer":
		case "http-then-upgrade-mid-frame":
			socket.write(plain(index, cut));
			return;
		case "bad-handshake":
			socket.write(upgrade(index, cut).replace("Version: 13", "Version: 8"));
			return;
		default:
			socket.write(upgrade(index, cut));
	}
}

function afterHead(
	cut: Cut,
	status: number,
	heads: number,
	{ socket, soon, reset, index }: Actions & { index: number },
): void {
	const close = frame(OPCODE.close, closePayload(1000), { mask: true });
	if (cut === "http-then-upgrade-mid-frame" && heads === 1) {
		socket.write(upgrade(index + SECOND_REQUEST, cut));
		return;
	}
	if (status !== 101) {
		if (cut === "http-mid-answer") reset();
		else socket.end();
		return;
	}
	switch (cut) {
		case "after-101":
			soon(reset);
			return;
		case "mid-frame":
		case "http-then-upgrade-mid-frame":
			socket.write(Buffer.concat([frameHeader(OPCODE.binary, 5_000, { mask: true }), Buffer.alloc(2_000)]));
			soon(reset);
			return;
		case "mid-close":
			socket.write(close.subarray(0, 3));
			soon(reset);
			return;
		case "after-close":
			socket.write(close);
			soon(reset);
			return;
		case "after-close-and-fin":
			socket.end(close);
			soon(reset);
			return;
		case "after-close-answered":
			socket.write(close);
			return;
		case "while-data-flows":
			for (let i = 0; i < 5; i++) socket.write(frame(OPCODE.binary, Buffer.alloc(20_000), { mask: true }));
	}
}

function isClose(chunk: Buffer): boolean {
	return chunk[0] === 0x88;
}

function upgrade(index: number, cut: Cut): string {
	const path = cut === "backend-on-accept" ? "/rude" : "/ws";
	return `GET ${path}/${index}/${cut}?q=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
}

function plain(index: number, cut: Cut): string {
	return `GET /http/${index}/${cut} HTTP/1.1\r\nHost: x\r\n\r\n`;
}
