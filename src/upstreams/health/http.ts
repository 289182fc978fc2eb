/** `type: http`: a plain GET is answered with an expected status. */
import type { Socket } from "node:net";
import { type Answer, AnswerParser } from "../../protocol/answer.ts";
import { isTlsError, socketErrorWords } from "../failure.ts";
import { BadStatus, hangUp, openProbeSocket, type Probe, probeHead } from "./probe.ts";

export const http: Probe = async (target, signal) => {
	const socket = await openProbeSocket(target, signal);
	const { status } = await ask(socket, probeHead(target, "Accept: */*\r\nConnection: close\r\n"));
	if (!target.expectedStatuses.includes(status)) throw new BadStatus(status);
	return `status ${status}`;
};

/** The body is read to its end, at most 64 KiB of it; a head is enough when the body breaks off. */
function ask(socket: Socket, head: string): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const parser = new AnswerParser();
		let trouble = "the connection was closed before the request was answered";

		const settle = (): void => {
			socket.off("data", onData).off("end", onOver).off("error", onError).off("close", onOver);
		};
		const onData = (chunk: Buffer): void => {
			try {
				const answer = parser.push(chunk);
				if (answer === undefined) return;
				settle();
				// Something that goes on sending is not read any longer.
				if (answer.body.length < MAX_BODY) hangUp(socket);
				else socket.destroy();
				resolve(answer);
			} catch (error) {
				settle();
				socket.destroy();
				reject(error);
			}
		};
		const onOver = (): void => {
			const answer = parser.soFar();
			settle();
			socket.destroy();
			if (answer === undefined) reject(new Error(trouble));
			else resolve(answer);
		};
		const onError = (error: Error): void => {
			const words = socketErrorWords(error);
			trouble = isTlsError(error) ? words : `${words} before the request was answered`;
		};
		socket.on("data", onData).on("end", onOver).on("error", onError).on("close", onOver);
		socket.write(head, "latin1");
	});
}

/** As much as {@link AnswerParser} keeps. */
const MAX_BODY = 64 * 1024;
