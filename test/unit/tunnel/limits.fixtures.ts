/** Limits of frames with what they need of a leg and a clock: everything else of a tunnel has tests with sockets. */
import type { Leg } from "../../../src/tunnel/leg.ts";
import { FrameLimits } from "../../../src/tunnel/limits.ts";
import type { TunnelLimits } from "../../../src/tunnel/limits-options.ts";
import { TimerWheel } from "../../../src/tunnel/wheel.ts";

export const NONE: TunnelLimits = {
	messages: undefined,
	bytes: undefined,
	maxMessageSize: Number.POSITIVE_INFINITY,
	maxFrameSize: Number.POSITIVE_INFINITY,
	maxBuffered: Number.POSITIVE_INFINITY,
	overloadCode: 1013,
};

export class Bench {
	now = 0;
	readonly wheel = new TimerWheel(() => this.now);
	/** What was passed on before a limit was exceeded. */
	passed: Buffer[] = [];
	/** Bytes of that: a sum, because tests ask for it after every step. */
	passedBytes = 0;
	/** What came after that, to be searched for a Close only. */
	dropped = 0;
	exceeded: string | undefined;
	delays = 0;
	resumed = 0;
	/** Most bytes that were in hand when a read was over. */
	mostHeld = 0;
	readonly limits: FrameLimits;
	#received = 0;

	constructor(limits: Partial<TunnelLimits>, side: "client" | "backend" = "client") {
		const leg = {
			side,
			pingSentAt: 0,
			pingCount: 0,
			limits: null,
			peer: { muted: false, socket: { writableNeedDrain: false } },
			owner: {
				exceeded: (_leg: Leg, limit: string) => {
					this.exceeded = limit;
				},
				delayed: () => this.delays++,
			},
			pass: (buffer: Buffer, length: number) => {
				if (this.exceeded === undefined) {
					this.passed.push(Buffer.from(buffer.subarray(0, length)));
					this.passedBytes += length;
				} else this.dropped += length;
				return true;
			},
			resume: () => this.resumed++,
			end: () => {},
		};
		this.limits = new FrameLimits(leg as unknown as Leg, { ...NONE, ...limits }, this.wheel);
	}

	get bytes(): Buffer {
		return Buffer.concat(this.passed);
	}

	/** One read, out of a buffer that is overwritten afterwards. Whether more may be read. */
	read(bytes: Buffer): boolean {
		this.#received += bytes.length;
		const buffer = Buffer.allocUnsafe(bytes.length + 16);
		bytes.copy(buffer);
		const more = this.limits.receive(buffer, bytes.length, {} as never);
		buffer.fill(0xee);
		this.mostHeld = Math.max(this.mostHeld, this.#received - this.passedBytes - this.dropped);
		return more;
	}

	/** Reads in chunks of these sizes, over and over, as long as nothing waits or is closed. */
	readAll(bytes: Buffer, cuts: readonly number[]): void {
		for (let at = 0, i = 0; at < bytes.length && this.exceeded === undefined; i++) {
			const end = Math.min(bytes.length, at + (cuts[i % cuts.length] as number));
			this.read(bytes.subarray(at, end));
			at = end;
		}
	}

	tick(ms: number): void {
		this.now += ms;
		this.wheel.tick();
	}
}
