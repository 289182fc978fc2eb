/** The polite end of a backend connection that was accepted and is not needed. */
import type { Socket } from "node:net";
import { closePayload, controlFrame, OPCODE } from "../../protocol/frames.ts";
import { maskingKey } from "../../protocol/masking-key.ts";
import { ignoreSocketError } from "../socket.ts";

/** How long the backend may take to answer the Close and to end the connection. */
const LINGER_MS = 2_000;
const GOING_AWAY = 1001;

/** Sends a Close 1001 and a FIN, so that the backend's log stays clean; destroyed when the backend does not end it. */
export function closeUnused(socket: Socket): void {
	if (socket.destroyed) return;
	if (!socket.listeners("error").includes(ignoreSocketError)) socket.on("error", ignoreSocketError);
	const timer = setTimeout(() => socket.destroy(), LINGER_MS);
	socket.once("close", () => clearTimeout(timer));
	// Nobody waits for it: it must not keep the process alive.
	timer.unref();
	socket.unref();
	socket.resume();
	const payload = closePayload(GOING_AWAY, "client connection lost");
	socket.end(controlFrame(OPCODE.close, payload, maskingKey()));
}
