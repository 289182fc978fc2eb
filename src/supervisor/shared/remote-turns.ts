/** A worker's side of `max_handshakes_per_second`. */
import { GatewayError } from "../../errors.ts";
import type { EnterOptions, Turns } from "../../upstreams/admission.ts";
import { ChannelError } from "../channel.ts";
import type { SupervisorChannel } from "../contract.ts";
import { machineClock } from "./clock.ts";
import { limitsUnavailable } from "./unavailable.ts";

/** What an answer may take beyond the wait that it stands for. In ms. */
const GRACE_MS = 2_000;
/** Node's timers hold a signed 32-bit number of milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The turns of one upstream, given by the supervisor. */
export class RemoteTurns implements Turns {
	readonly #channel: SupervisorChannel;
	readonly #upstream: string;
	#lastTicket = 0;

	constructor(channel: SupervisorChannel, upstream: string) {
		this.#channel = channel;
		this.#upstream = upstream;
	}

	/** @throws GatewayError also LIMITS_UNAVAILABLE */
	async enter({ rate, signal, maxWait, again }: EnterOptions): Promise<void> {
		if (signal.aborted) throw new GatewayError("CLIENT_GONE");
		const ticket = ++this.#lastTicket;
		const leave = (): void => this.#channel.tell("leaveTurns", { ticket });
		signal.addEventListener("abort", leave, { once: true });
		const timeout = Math.min(maxWait + GRACE_MS, LONGEST_TIMER);
		try {
			const asked = { upstream: this.#upstream, rate, maxWait, again, ticket };
			const shed = await this.#channel.call("enterTurns", asked, timeout).catch((error) => {
				leave();
				return limitsUnavailable(error);
			});
			if (signal.aborted) throw new GatewayError("CLIENT_GONE");
			if (shed) throw new GatewayError("OVERLOADED", shed.message, { retryAfter: shed.retryAfter });
		} finally {
			signal.removeEventListener("abort", leave);
		}
	}

	/** Resolves also when nobody answers: the handshake has had its turn, only the evenness is lost. */
	async pace(): Promise<void> {
		try {
			const written = await this.#channel.call("paceTurn", { upstream: this.#upstream });
			// The caller writes in this turn of the event loop, however late it is.
			this.#channel.tell("turnWritten", { written, at: machineClock() });
		} catch (error) {
			if (!(error instanceof ChannelError)) throw error;
		}
	}
}
