/** What happens to a tunnel, for whoever keeps count of it. */
import type { TunnelLimit } from "./limits-options.ts";
import type { Outcome, Side } from "./report.ts";
import type { Tunnel } from "./tunnel.ts";

/** Who is told about the tunnel's life. */
export interface TunnelObserver {
	/** Both sides are closed; called exactly once. */
	tunnelEnded(tunnel: Tunnel, outcome: Outcome): void;
	/** Reading from `side` stopped because the other side is slow. */
	tunnelPaused(tunnel: Tunnel, side: Side): void;
	/** Our Ping to `side` was answered after `seconds`. */
	tunnelPonged(tunnel: Tunnel, side: Side, seconds: number): void;
	/** A limit closed the tunnel, or made the client wait (once for each wait). */
	tunnelLimited(tunnel: Tunnel, limit: TunnelLimit): void;
	/** A mistake of ours came up; the tunnel is about to be ended. */
	tunnelFailed(tunnel: Tunnel, error: unknown): void;
}
