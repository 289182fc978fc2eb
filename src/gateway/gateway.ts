/** What the connections of one gateway process share. Made by the composition root, passed down, never global. */
import type { Socket } from "node:net";
import type { Hubs } from "../hub/hubs.ts";
import type { PolicyStates } from "../policy/states.ts";
import type { TimerWheel } from "../tunnel/wheel.ts";
import type { Connections } from "./connections.ts";
import type { Drains } from "./drains.ts";
import type { GatewayEvents } from "./events.ts";
import type { Forwarders } from "./forwarders.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Tracing } from "./tracing.ts";

export interface Gateway {
	/** Swapped whole by a reload; a connection reads it once. */
	snapshot: Snapshot;
	/** New handshakes are refused from here on. */
	stopping: boolean;
	readonly connections: Connections;
	/** Clients whose handshake is under way. */
	readonly handshakes: Set<Socket>;
	readonly drains: Drains;
	readonly events: GatewayEvents;
	readonly tracing: Tracing;
	readonly wheel: TimerWheel;
	readonly forwarders: Forwarders;
	readonly hubs: Hubs;
	/** What the checks of routes keep across reloads. */
	readonly policies: PolicyStates;
	/** Monotonic, ms. */
	readonly clock: () => number;
	/** A number in [0, 1). */
	readonly random: () => number;
}
