/** Puts a route's limits on the two legs of a tunnel, and says what each limit's Close is. */
import type { Leg } from "./leg.ts";
import { FrameLimits } from "./limits.ts";
import type { FrameLimit, TunnelLimits } from "./limits-options.ts";
import { SlowReader } from "./limits-slow-reader.ts";
import type { TimerWheel } from "./wheel.ts";

/** What the sender of a frame is told that exceeds a limit. `max_buffered` is the route's own code. */
export const EXCEEDED: Readonly<Record<FrameLimit, { code: number; reason: string }>> = {
	messages: { code: 1008, reason: "too many messages" },
	bytes: { code: 1008, reason: "too many bytes" },
	max_message_size: { code: 1009, reason: "message too big" },
	max_frame_size: { code: 1009, reason: "frame too big" },
};

/** Before anything is read. `window` is `timeouts.close` in ms. */
export function installLimits(
	legs: { readonly client: Leg; readonly backend: Leg },
	limits: TunnelLimits,
	window: number,
	wheel: TimerWheel,
): void {
	const { client, backend } = legs;
	const { messages, bytes, maxMessageSize, maxFrameSize, maxBuffered } = limits;
	const sizes = Math.min(maxMessageSize, maxFrameSize) < Number.POSITIVE_INFINITY;
	if (sizes || messages || bytes) client.limits = new FrameLimits(client, limits, wheel);
	if (sizes) backend.limits = new FrameLimits(backend, limits, wheel);
	if (maxBuffered === Number.POSITIVE_INFINITY) return;
	for (const leg of [client, backend]) leg.slowReader = new SlowReader(maxBuffered, window, leg.writer);
}
