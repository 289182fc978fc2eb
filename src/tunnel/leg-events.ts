/**
 * What a leg hears of its socket: functions that all legs share, so that a connection costs no closures. What throws ends
 * this tunnel and no other.
 */
import type { Socket } from "node:net";
import type { Leg } from "./leg.ts";

/** Node emits it, and lets the connection go on. */
const RENEGOTIATION = "ERR_TLS_RENEGOTIATION_DISABLED";

const LEG = Symbol("clawgate.leg");
type LegSocket = Socket & { [LEG]?: Leg };

/** Passes the socket's events on to its leg, for good. */
export function listenToSocket(leg: Leg): void {
	const socket: LegSocket = leg.socket;
	socket[LEG] = leg;
	socket.on("error", onError);
	socket.on("end", onEnd);
	socket.on("close", onClose);
	socket.on("drain", onDrain);
}

function onError(this: LegSocket, error: NodeJS.ErrnoException): void {
	// For the others `close` follows and says it: with neither FIN nor Close before it the leg was reset.
	// OpenSSL is in the middle of something here: a write or an end has to wait.
	if (error.code === RENEGOTIATION) setImmediate(() => this[LEG]?.renegotiated());
}

function onEnd(this: LegSocket): void {
	const leg = this[LEG];
	try {
		leg?.endRead();
	} catch (error) {
		leg?.owner.failed(error);
	}
}

function onClose(this: LegSocket): void {
	const leg = this[LEG];
	try {
		leg?.gone();
	} catch (error) {
		leg?.owner.failed(error);
	}
}

function onDrain(this: LegSocket): void {
	const leg = this[LEG];
	try {
		leg?.drained();
	} catch (error) {
		leg?.owner.failed(error);
	}
}
