/** Asking again, a little differently, to tell causes apart that look the same. Each trial is a connection of its own. */
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { closePayload, controlFrame, OPCODE } from "../../protocol/frames.ts";
import { ignoreSocketError } from "../../upstreams/socket.ts";
import type { Examination, Surroundings } from "../examination.ts";
import { requestHead } from "../request-head.ts";
import { ask } from "./answer.ts";
import { connectTo } from "./tcp.ts";
import { secure } from "./tls.ts";
import type { Destination } from "./url.ts";

/** Long enough for a port that speaks the other protocol; the step before has waited already. */
const LONGEST_TRIAL = 3_000;

/** How to reach the server once more. */
export interface Trial {
	readonly address: string;
	readonly destination: Destination;
	readonly examination: Examination;
	readonly surroundings: Surroundings;
}

async function open({ address, destination, examination, surroundings }: Trial): Promise<Socket | undefined> {
	const family = address.includes(":") ? 6 : 4;
	const timeout = Math.min(LONGEST_TRIAL, examination.timeout);
	return (await connectTo({ address, family }, destination.port, timeout, surroundings.now)).socket;
}

/** Status of the same handshake with another Origin, or without one; undefined when there was no answer. */
export async function statusWithOrigin(trial: Trial, origin: string | undefined): Promise<number | undefined> {
	const { destination, examination, surroundings } = trial;
	const tcp = await open(trial);
	if (!tcp) return undefined;
	const socket = destination.secure ? await secureAgain(tcp, trial) : tcp;
	if (!socket) return undefined;
	const key = surroundings.randomBytes(16).toString("base64");
	const { head } = requestHead(destination, { ...examination, origin }, key);
	const { answer } = await ask(socket, head, examination.timeout, surroundings.now);
	if (answer?.status === 101) {
		socket.write(controlFrame(OPCODE.close, closePayload(1000, ""), surroundings.randomBytes(4)), () => tcp.destroy());
	}
	return answer?.status;
}

/** TLS once more; secrets are sent only where the certificate is good again. */
async function secureAgain(
	tcp: Socket,
	{ destination, examination, surroundings }: Trial,
): Promise<Socket | undefined> {
	const { facts, socket } = await secure(tcp, destination.host, examination, surroundings.epoch());
	if (examination.insecure || (facts.verifyError === undefined && facts.nameMatches)) return socket;
	tcp.destroy();
	return undefined;
}

/** Whether the port answers a TLS handshake, whatever its certificate. */
export async function speaksTls(trial: Trial): Promise<boolean> {
	const tcp = await open(trial);
	if (!tcp) return false;
	return new Promise((resolve) => {
		const tls = connectTls({ socket: tcp, rejectUnauthorized: false, checkServerIdentity: () => undefined });
		const finish = (speaks: boolean): void => {
			clearTimeout(timer);
			tls.destroy();
			tcp.destroy();
			resolve(speaks);
		};
		const timer = setTimeout(() => finish(false), Math.min(LONGEST_TRIAL, trial.examination.timeout));
		tls.on("error", ignoreSocketError);
		tls.once("error", (error: NodeJS.ErrnoException) => finish(/^ERR_SSL_.*ALERT/.test(error.code ?? "")));
		tls.once("close", () => finish(false)).once("secureConnect", () => finish(true));
	});
}

/** Whether the port answers plain HTTP. */
export async function speaksPlainHttp(trial: Trial): Promise<boolean> {
	const tcp = await open(trial);
	if (!tcp) return false;
	const head = `GET / HTTP/1.1\r\nHost: ${trial.destination.authority}\r\nConnection: close\r\n\r\n`;
	const timeout = Math.min(LONGEST_TRIAL, trial.examination.timeout);
	const { bytes } = await ask(tcp, head, timeout, trial.surroundings.now);
	tcp.destroy();
	return bytes.toString("latin1", 0, 5) === "HTTP/";
}
