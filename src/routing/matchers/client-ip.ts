/** `match.client_ip`: addresses and ranges. */
import { isIP } from "node:net";
import { AddressRanges, cidr, oneOrMany } from "../../options.ts";
import type { Matcher } from "./matcher.ts";

const options = {
	client_ip: oneOrMany(cidr)
		.optional()
		.meta({ description: "the client's address (after trusted_proxies): addresses and ranges" }),
};

/** `match.client_ip`. */
export const clientIp: Matcher<typeof options> = {
	options,
	compile(config) {
		if (config.client_ip === undefined) return undefined;
		const ranges = new AddressRanges(config.client_ip);
		const expected = config.client_ip.join(", ");
		return {
			// A client on a unix socket has no address: it is in no range.
			test: (request) => isIP(request.clientIp) !== 0 && ranges.has(request.clientIp),
			reason: () => `client address is not in ${expected}`,
		};
	},
};
