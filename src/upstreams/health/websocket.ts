/** `type: websocket`: a real opening handshake is accepted, then closed as a client should (RFC 6455 §4.1, §7.1.2). */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { OFF } from "../../options.ts";
import { closePayload, controlFrame, OPCODE } from "../../protocol/frames.ts";
import { dial } from "../dial.ts";
import { CloseFinder } from "./close-finder.ts";
import { BadStatus, destroyOnAbort, hangUp, type Probe, type ProbeTarget, probeHead } from "./probe.ts";

export const websocket: Probe = async (target, signal) => {
	const key = randomBytes(16).toString("base64");
	const result = await dial({
		address: target.address,
		tls: target.tls,
		lookup: target.lookup,
		preamble: target.preamble,
		head: requestHead(target, key),
		key,
		offered: target.subprotocol === undefined ? [] : [target.subprotocol],
		lenient: target.lenient,
		connectTimeout: OFF,
		handshakeTimeout: OFF,
		signal,
	});
	if (result.kind === "refused") throw new BadStatus(result.status);
	destroyOnAbort(result.socket, signal);
	closeNormally(result.socket, result.early);
	return "the handshake was accepted";
};

function requestHead(target: ProbeTarget, key: string): string {
	const { subprotocol } = target;
	return probeHead(
		target,
		"Connection: Upgrade\r\nUpgrade: websocket\r\n" +
			`Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n` +
			(subprotocol === undefined ? "" : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`),
	);
}

/** Close 1000, then FIN when the backend has answered it (RFC 6455 §7.1.1 lets the server go first), or has ended. */
function closeNormally(socket: Socket, early: Buffer): void {
	const finder = new CloseFinder();
	const onData = (chunk: Buffer): void => {
		if (finder.push(chunk)) finish();
	};
	const finish = (): void => {
		socket.off("data", onData).off("end", finish);
		hangUp(socket);
	};
	socket.write(controlFrame(OPCODE.close, closePayload(1000, ""), randomBytes(4)));
	socket.on("end", finish).on("data", onData);
	if (early.length > 0) onData(early);
	socket.resume();
}
