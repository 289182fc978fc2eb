/** The registry of matchers. A matcher is one file and one line in each of these two lists. */
import { clientIp } from "./client-ip.ts";
import { headers } from "./headers.ts";
import { host } from "./host.ts";
import type { Condition } from "./matcher.ts";
import { path } from "./path.ts";
import { query } from "./query.ts";
import { subprotocol } from "./subprotocol.ts";

/** Every key of `match`. */
export const matcherOptions = {
	...host.options,
	...path.options,
	...subprotocol.options,
	...headers.options,
	...query.options,
	...clientIp.options,
};

type Config = Parameters<typeof host.compile>[0] &
	Parameters<typeof path.compile>[0] &
	Parameters<typeof subprotocol.compile>[0] &
	Parameters<typeof clientIp.compile>[0] &
	Parameters<typeof headers.compile>[0] &
	Parameters<typeof query.compile>[0];

/** Cheap ones first: this is the order in which a request is tested. */
export const matchers: readonly { compile(config: Config): Condition | undefined }[] = [
	host,
	path,
	subprotocol,
	clientIp,
	headers,
	query,
];
