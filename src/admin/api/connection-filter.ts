/** Which connections a request is about: the filters of docs/admin-api.md. All that are given have to fit. */
import { z } from "zod";
import type { Session } from "../../gateway/session.ts";
import { AddressRanges, cidr } from "../../options.ts";

const name = z.string().min(1).optional();

export const connectionFilter = {
	route: name.meta({ description: "Name of the route." }),
	upstream: name.meta({ description: "Name of the upstream." }),
	endpoint: name.meta({ description: "Id of the endpoint: `host:port`, or the socket's path." }),
	client_ip: cidr.optional().meta({ description: "The client's address, or a range such as 10.0.0.0/8." }),
	user: name.meta({ description: "The authenticated subject." }),
	subprotocol: name.meta({ description: "The subprotocol in use." }),
	connection_id: name.meta({ description: "One connection; none at all when it is closed." }),
};

export type ConnectionFilter = z.output<z.ZodObject<typeof connectionFilter>>;

/** Whether it names anything at all. */
export function isFilter(filter: ConnectionFilter): boolean {
	return (Object.keys(connectionFilter) as (keyof ConnectionFilter)[]).some((key) => filter[key] !== undefined);
}

/** Those that fit, in the order of `connections`. */
export function filtered(connections: Iterable<Session>, filter: ConnectionFilter): Session[] {
	const fits = compileFilter(filter);
	const found: Session[] = [];
	for (const connection of connections) if (fits(connection)) found.push(connection);
	return found;
}

/** Tells of one connection whether it fits. */
export function compileFilter(filter: ConnectionFilter): (connection: Session) => boolean {
	const { route, upstream, endpoint, client_ip, user, subprotocol, connection_id } = filter;
	const hasAddress = client_ip === undefined ? undefined : addressTest(client_ip);
	return ({ facts }) =>
		(route === undefined || facts.route === route) &&
		(upstream === undefined || facts.upstream === upstream) &&
		(endpoint === undefined || facts.endpoint === endpoint) &&
		(user === undefined || facts.user === user) &&
		(subprotocol === undefined || facts.subprotocol === subprotocol) &&
		(connection_id === undefined || facts.connection_id === connection_id) &&
		(hasAddress === undefined || hasAddress(facts.client_ip));
}

/** Comparing addresses is dear and clients come back: each address is compared once. */
function addressTest(range: string): (ip: string) => boolean {
	const list = new AddressRanges([range]);
	const known = new Map<string, boolean>();
	return (ip) => {
		let inside = known.get(ip);
		if (inside === undefined) {
			inside = ip !== "" && list.has(ip);
			known.set(ip, inside);
		}
		return inside;
	};
}
