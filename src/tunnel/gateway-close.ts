/** What the gateway itself tells the sides of a tunnel that ends: a Close frame, when, or none at all. */
import { closePayload, controlFrame, OPCODE } from "../protocol/frames.ts";
import { maskingKey } from "../protocol/masking-key.ts";
import type { Leg } from "./leg.ts";
import { NO_CLOSE_FRAME, type Termination } from "./report.ts";
import type { TunnelOptions } from "./tunnel-options.ts";

/** What both sides are told when the gateway ends a tunnel. */
export interface GatewayClose {
	/** Close code for the client; the backend gets 1001. {@link NO_CLOSE_FRAME} ends both sides with FIN alone. */
	readonly code: number;
	readonly reason: string;
	readonly termination: Termination;
	/**
	 * So long (ms) a frame that is under way may take to its end. Neither side is told before it has passed, since many
	 * clients stop sending when they get a Close. Without it each side is told at its own next boundary.
	 */
	readonly patience?: number;
}

/** Told to a backend whatever the client is told. */
export const GOING_AWAY = 1001;
/** In place of a Close frame: the end without one. */
const NO_FRAME = Buffer.alloc(0);

/** Writes a Close to the leg at its next boundary; `held`: after the one that waits for the other leg. */
export function tell(leg: Leg, code: number, reason: string, held = false): void {
	const mask = leg.side === "backend" ? maskingKey() : undefined;
	const frame = code === NO_CLOSE_FRAME ? NO_FRAME : controlFrame(OPCODE.close, closePayload(code, reason), mask);
	if (held) leg.holdClose(frame);
	else leg.writeControl(frame, true);
}

/** Tells both sides. Returns whether they wait for a frame that gets its time. */
export function tellBoth(client: Leg, backend: Leg, { code, reason, patience }: GatewayClose): boolean {
	const backendCode = code === NO_CLOSE_FRAME ? NO_CLOSE_FRAME : GOING_AWAY;
	const uploads = !backend.writableBoundary;
	const waits = patience !== undefined && (uploads || !client.writableBoundary);
	// The first is the one whose Close waits for the frame.
	if (waits && uploads) {
		tell(backend, backendCode, reason);
		tell(client, code, reason, true);
	} else {
		tell(client, code, reason);
		tell(backend, backendCode, reason, waits);
	}
	return waits;
}

/** Tells `survivor` that the other side is gone, where the route has a code for that. */
export function tellLost(survivor: Leg, { backendLostCode, clientLostCode }: TunnelOptions): void {
	const code = survivor.side === "client" ? backendLostCode : clientLostCode;
	if (code !== NO_CLOSE_FRAME) tell(survivor, code, `${survivor.peer.side} connection lost`);
}
