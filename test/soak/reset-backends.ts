/** Backends of the reset storm: they do what the path of a request tells them. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { closePayload, frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { acceptFor } from "../harness/raw-peer.ts";

const BACKENDS = 4;

export interface CutBackends {
	readonly urls: readonly string[];
	/** One that resets every connection as it comes. */
	readonly rudeUrl: string;
	/** The numbers in the paths of all requests that arrived. */
	readonly reached: ReadonlySet<number>;
	/** Called once, by its number, when a request arrives. */
	readonly waiting: Map<number, () => void>;
	close(): Promise<void>;
}

export async function startCutBackends(): Promise<CutBackends> {
	const reached = new Set<number>();
	const waiting = new Map<number, () => void>();
	const arrived = (index: number): void => {
		reached.add(index);
		waiting.get(index)?.();
		waiting.delete(index);
	};
	const sockets = new Set<Socket>();
	const listen = async (onSocket: (socket: Socket) => void): Promise<Server> => {
		const server = createServer({ noDelay: true }, (socket) => {
			sockets.add(socket);
			socket.on("error", () => undefined);
			socket.on("close", () => sockets.delete(socket));
			onSocket(socket);
		});
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		return server;
	};
	const servers = await Promise.all(Array.from({ length: BACKENDS }, () => listen((socket) => serve(socket, arrived))));
	const rude = await listen((socket) => void socket.resetAndDestroy());
	const url = (server: Server): string => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
	return {
		urls: servers.map(url),
		rudeUrl: url(rude),
		reached,
		waiting,
		close: async () => {
			for (const socket of sockets) socket.destroy();
			await Promise.all([...servers, rude].map((server) => new Promise((resolve) => server.close(resolve))));
		},
	};
}

/** Reads one head, then does what its path says; on a kept-alive connection again. */
function serve(socket: Socket, arrived: (index: number) => void): void {
	let text = "";
	let open = false;
	socket.on("data", (chunk: Buffer) => {
		if (open) {
			// A client's Close is answered; other data is sent back as one frame of the same size.
			if ((chunk[0] as number) === 0x88) socket.end(frame(OPCODE.close, closePayload(1000)));
			else socket.write(frame(OPCODE.binary, Buffer.alloc(chunk.length)));
			return;
		}
		text += chunk.toString("latin1");
		for (let end = text.indexOf("\r\n\r\n"); end >= 0 && !open; end = text.indexOf("\r\n\r\n")) {
			const head = text.slice(0, end);
			text = text.slice(end + 4);
			const [, target = ""] = head.split(" ");
			const [, , index, cut = ""] = (target.split("?")[0] as string).split("/");
			arrived(Number(index));
			if (/upgrade: websocket/i.test(head)) {
				open = true;
				acceptOrNot(socket, cut, /sec-websocket-key: (.*)/i.exec(head)?.[1]?.trim() ?? "");
			} else {
				answer(socket, cut);
			}
		}
	});
}

function acceptOrNot(socket: Socket, cut: string, key: string): void {
	const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`;
	const reset = (): void => void setImmediate(() => socket.resetAndDestroy());
	switch (cut) {
		case "backend-silent-then-client":
			return;
		case "backend-after-head":
			socket.resetAndDestroy();
			return;
		case "backend-mid-101":
			socket.write(head.slice(0, 60));
			reset();
			return;
		case "backend-refuses-and-resets":
			socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf of it");
			reset();
			return;
		case "backend-after-101":
			socket.write(head);
			reset();
			return;
		case "backend-mid-frame":
			socket.write(Buffer.concat([Buffer.from(head), frameHeader(OPCODE.binary, 5_000), Buffer.alloc(1_000)]));
			reset();
			return;
		case "backend-mid-close":
			socket.write(Buffer.concat([Buffer.from(head), frame(OPCODE.close, closePayload(1000)).subarray(0, 2)]));
			reset();
			return;
		case "backend-after-close":
			socket.write(Buffer.concat([Buffer.from(head), frame(OPCODE.close, closePayload(1000))]));
			reset();
			return;
		default:
			socket.write(head);
	}
}

function answer(socket: Socket, cut: string): void {
	switch (cut) {
		case "http-silent-then-client":
		case "http-mid-body":
			return;
		case "http-backend-after-head":
			socket.resetAndDestroy();
			return;
		case "http-backend-mid-answer":
			socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
			setImmediate(() => socket.resetAndDestroy());
			return;
		case "http-mid-answer":
			socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
			return;
		default:
			socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
}
