/** Connections that are closed as soon as they come, for want of room. */
import { descriptorLimit } from "../sockets/descriptors.ts";

/** A connection that was closed as soon as it came. */
export interface Dropped {
	readonly remoteAddress?: string | undefined;
	/** Absent when Node closed it: `max_connections`. */
	readonly reason?: string | undefined;
}

/** Why a connection is refused that would need a descriptor of the reserve. */
export function outOfDescriptors(): string {
	return `the limit of open files is reached (ulimit -n ${descriptorLimit()}); raise it`;
}
