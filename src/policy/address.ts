/** `allow` and `deny`: which client addresses may connect. */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { AddressRanges, cidr } from "../options.ts";
import type { Check } from "./check.ts";

const ranges = z.union([z.array(cidr).min(1), cidr.transform((range) => [range])]);

export const addressOptions = {
	allow: ranges
		.optional()
		.meta({ description: "Only clients with one of these addresses may connect; others get 403." }),
	deny: ranges
		.optional()
		.meta({ description: "Clients with one of these addresses get 403, also when `allow` has them." }),
};

export interface AddressConfig {
	readonly allow?: readonly string[] | undefined;
	readonly deny?: readonly string[] | undefined;
}

/** Undefined when everybody may connect. `deny` wins. A client without an address (unix socket) is in no range. */
export function addressCheck({ allow, deny }: AddressConfig): Check | undefined {
	if (allow === undefined && deny === undefined) return undefined;
	const allowed = allow && new AddressRanges(allow);
	const denied = deny && new AddressRanges(deny);
	return {
		name: "address",
		check({ request: { clientIp } }) {
			const known = clientIp !== "";
			if (denied && known && denied.has(clientIp)) throw refusal("deny");
			if (allowed && !(known && allowed.has(clientIp))) throw refusal("allow");
			return undefined;
		},
	};
}

function refusal(key: "allow" | "deny"): GatewayError {
	const why = key === "deny" ? "the client's address is in deny" : "the client's address is not in allow";
	return new GatewayError("ADDRESS_DENIED", why);
}
