/** `limits` of a route that count inside the tunnel: the options, and what a tunnel is given of them. */
import { z } from "zod";
import { rateText, size } from "../options.ts";

/** The words for a limit in `rate_limited_total{limit}`: its key. */
export type TunnelLimit = FrameLimit | "max_buffered";

/** Those that are judged by frame headers. */
export type FrameLimit = "messages" | "bytes" | "max_message_size" | "max_frame_size";

/** How fast one connection's client may send. */
export interface RateLimit {
	readonly perSecond: number;
	readonly burst: number;
	/** Stop reading until there is room, instead of closing with 1008. */
	readonly delay: boolean;
}

/** Sizes in bytes as on the wire; Infinity = no limit. */
export interface TunnelLimits {
	readonly messages: RateLimit | undefined;
	readonly bytes: RateLimit | undefined;
	readonly maxMessageSize: number;
	readonly maxFrameSize: number;
	readonly maxBuffered: number;
	/** The close code for `max_buffered`. */
	readonly overloadCode: number;
}

/** Control frames are as long as this (RFC 6455 §5.5); a smaller limit would make a Close impossible. */
const SMALLEST_FRAME_LIMIT = 125;
/** As much as the gateway reads at once: how much of a pending write was taken is not known any finer. */
const SMALLEST_BUFFERED = 64 * 1024;
const BYTE_RATE = /^(\d+)(KiB|MiB|GiB)?\/(s|m|h)$/;
const BYTE_RATE_HINT = "expected a rate in bytes such as 64KiB/s, 1MiB/s or 100MiB/m";
const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
const ABOVE_ZERO = { error: "has to be more than 0" };

/** `1MiB/s`; the value is in bytes per second. */
const byteRateText = z
	.string({ error: BYTE_RATE_HINT })
	.transform((value, context) => {
		const match = BYTE_RATE.exec(value);
		if (match) {
			return (Number(match[1]) * (UNITS[match[2] ?? ""] as number)) / (SECONDS[match[3] as string] as number);
		}
		context.addIssue({ code: "custom", message: BYTE_RATE_HINT, input: value });
		return z.NEVER;
	})
	.refine((perSecond) => perSecond > 0, ABOVE_ZERO);

const onExceed = z.enum(["close", "delay"]).prefault("close").meta({
	description:
		"`close`: the client gets 1008, the backend 1001. `delay`: the client is not read until there is room, so that the backend sees the rate and no more.",
});

const messageRate = z.strictObject({
	rate: rateText
		.refine((perSecond) => perSecond > 0, ABOVE_ZERO)
		.meta({
			description:
				"How many may be sent in a time: `50/s`, `100/m`. A message counts once, a Ping or Pong too, and so does each fragment of less than 1 KiB that does not end its message. Close frames and Pongs to the gateway's own Pings are free.",
		}),
	burst: z.int().min(1).optional().meta({
		description: "How many may come at once after a pause. Default: one second's worth, at least 1.",
	}),
	on_exceed: onExceed,
});

const byteRate = z.strictObject({
	rate: byteRateText.meta({
		description: "How much may be sent in a time, frame headers included: `1MiB/s`, `64KiB/s`.",
	}),
	burst: size
		.refine((bytes) => bytes > 0, ABOVE_ZERO)
		.optional()
		.meta({
			description:
				"How much may come at once after a pause. With `close` a frame larger than this never passes. Default: one second's worth.",
		}),
	on_exceed: onExceed,
});

/** The keys of `limits` that are this folder's part. */
export const tunnelLimitOptions = {
	messages: messageRate.optional().meta({
		description: "Rate of messages of one connection, from the client to the backend.",
	}),
	bytes: byteRate.optional().meta({
		description: "Rate of bytes of one connection, from the client to the backend.",
	}),
	max_message_size: size
		.refine((bytes) => bytes >= SMALLEST_FRAME_LIMIT, { error: "has to be at least 125, the size of a control frame" })
		.optional()
		.meta({
			description:
				"Largest message in either direction, all its fragments together, as on the wire (with permessage-deflate: compressed). Judged before the frame that is too much is passed on: its sender gets 1009, the other side 1001.",
		}),
	max_frame_size: size
		.refine((bytes) => bytes >= SMALLEST_FRAME_LIMIT, { error: "has to be at least 125, the size of a control frame" })
		.optional()
		.meta({
			description:
				"Largest frame in either direction, as on the wire. Judged by its header, before a byte of it is passed on: its sender gets 1009, the other side 1001.",
		}),
	max_buffered: size
		.refine((bytes) => bytes >= SMALLEST_BUFFERED, { error: "has to be at least 64KiB" })
		.optional()
		.meta({
			description:
				"A side for which bytes are waiting all the time, and that takes less than this within `timeouts.close`, is too slow: the client gets 1013 (`close_codes.overload`), the backend 1001. Without it slow sides only slow the other side down: the gateway stops reading that and never holds more than one read of it (64 KiB).",
		}),
};

const schema = z.strictObject(tunnelLimitOptions);
export type TunnelLimitsConfig = z.output<typeof schema>;

/** Undefined when no limit is set: such a tunnel does nothing for them. */
export function compileTunnelLimits(config: TunnelLimitsConfig, overloadCode: number): TunnelLimits | undefined {
	const { messages, bytes, max_message_size, max_frame_size, max_buffered } = config;
	const values = [messages, bytes, max_message_size, max_frame_size, max_buffered];
	if (values.every((value) => value === undefined)) return undefined;
	return {
		messages: messages && compileRate(messages),
		bytes: bytes && compileRate(bytes),
		maxMessageSize: max_message_size ?? Number.POSITIVE_INFINITY,
		maxFrameSize: max_frame_size ?? Number.POSITIVE_INFINITY,
		maxBuffered: max_buffered ?? Number.POSITIVE_INFINITY,
		overloadCode,
	};
}

function compileRate(config: NonNullable<TunnelLimitsConfig["messages" | "bytes"]>): RateLimit {
	const { rate, burst, on_exceed } = config;
	return { perSecond: rate, burst: burst ?? Math.max(1, Math.ceil(rate)), delay: on_exceed === "delay" };
}
