/** What the steps of one import share. */
import type { Arrival } from "./conditions.ts";
import type { LocationNode } from "./location-tree.ts";
import type { Notes } from "./notes.ts";
import type { Scope } from "./scope.ts";
import type { SocketServer } from "./sockets.ts";
import type { Upstreams } from "./upstreams.ts";
import type { Variables } from "./variables.ts";

/** For the routes of one address. */
export interface ImportContext {
	readonly http: Scope;
	readonly variables: Variables;
	readonly upstreams: Upstreams;
	readonly notes: Notes;
	/** That relative file names start at. */
	readonly folder: string;
	readonly arrival: Arrival;
}

/** For the routes of one server block on it. */
export interface ServerContext extends ImportContext {
	readonly server: SocketServer;
	readonly locations: readonly LocationNode[];
	readonly serverName: string | undefined;
}
