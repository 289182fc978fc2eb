/** One client of the chaos run: it comes, sends what it has, waits for something or not, and leaves in one way or the other. */
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

export interface Visit {
	readonly port: number;
	/** Sent one after the other, `gap` ms apart. */
	readonly parts: readonly (string | Buffer)[];
	readonly gap?: number;
	/** Where it comes from. */
	readonly localAddress?: string;
	/** Speaks TLS 1.2 once it has sent the first part (PROXY header) or from the beginning; renegotiates after the parts. */
	readonly renegotiates?: boolean;
	/** Milliseconds that it stays after the first byte of the answer. */
	readonly stays?: number;
	/** Leaves after so many ms whatever happens: it is not owed an answer. */
	readonly impatient?: number;
	/** Goes without a FIN. */
	readonly resets?: boolean;
}

export interface Visited {
	/** The first line of the answer. */
	readonly answer: string;
	/** Neither an answer nor an end came within {@link PATIENCE_MS}. */
	readonly hung: boolean;
}

/**
 * The longest that a client can have to wait: a worker that hangs is ended after ten seconds, and then three attempts of
 * five seconds each may come, on a machine that does much else.
 */
const PATIENCE_MS = 45_000;
/** More of an answer is not kept. */
const KEPT = 200;

/** Ends within {@link PATIENCE_MS} and `stays`. */
export function visit(plan: Visit): Promise<Visited> {
	const { port, localAddress, renegotiates } = plan;
	const target = { port, host: "127.0.0.1", ...(localAddress === undefined ? {} : { localAddress }) };
	const tcp = renegotiates ? undefined : connect(target);
	const socket: Socket = tcp ?? connectTls({ ...target, rejectUnauthorized: false, maxVersion: "TLSv1.2" });
	return new Promise((resolve) => {
		let answer = "";
		let over = false;
		const timers: NodeJS.Timeout[] = [];
		const leave = (hung: boolean): void => {
			if (over) return;
			over = true;
			for (const timer of timers) clearTimeout(timer);
			if (plan.resets && !renegotiates) socket.resetAndDestroy();
			else socket.destroy();
			resolve({ answer: answer.split("\r\n", 1)[0] as string, hung });
		};
		const after = (ms: number, then: () => void): void => void timers.push(setTimeout(then, ms));
		after(plan.impatient ?? PATIENCE_MS, () => leave(plan.impatient === undefined));
		socket.on("error", () => leave(false));
		socket.on("close", () => leave(false));
		socket.on("data", (chunk: Buffer) => {
			const first = answer === "";
			if (answer.length < KEPT) answer += chunk.toString("latin1", 0, KEPT);
			if (first && plan.impatient === undefined) after(plan.stays ?? 0, () => leave(false));
		});
		socket.on(renegotiates ? "secureConnect" : "connect", () => {
			plan.parts.forEach((part, index) => {
				const send = (): void =>
					void (over || socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part));
				if (index === 0 || plan.gap === undefined) send();
				else after(index * plan.gap, send);
			});
			if (renegotiates)
				after(50, () => (socket as TLSSocket).renegotiate({ rejectUnauthorized: false }, () => undefined));
		});
	});
}
