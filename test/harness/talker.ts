/** A client that talks: it sends numbers and checks that each comes back once, in order. */
import { type ClientOptions, WebSocket } from "ws";

export class Talker {
	readonly socket: WebSocket;
	sent = 0;
	echoed = 0;
	/** Echoes that came in the wrong order, or twice. */
	wrong = 0;

	private constructor(socket: WebSocket) {
		this.socket = socket;
		socket.on("error", () => undefined);
		socket.on("message", (data) => {
			if (Number(String(data)) !== this.echoed) this.wrong++;
			this.echoed++;
		});
	}

	/** @throws Error when the WebSocket does not open */
	static async open(url: string, options: ClientOptions = {}): Promise<Talker> {
		const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
		const talker = new Talker(socket);
		await new Promise<void>((resolve, reject) => socket.once("open", resolve).once("error", reject));
		return talker;
	}

	/** Whether it can talk. */
	get open(): boolean {
		return this.socket.readyState === WebSocket.OPEN;
	}

	say(): void {
		if (this.open) this.socket.send(String(this.sent++));
	}
}
