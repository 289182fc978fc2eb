/** The `shutdown` section: what happens after SIGTERM or SIGINT. */
import { z } from "zod";
import { drainOptions } from "./drain.ts";
import { span } from "./values.ts";

export const shutdownOptions = z.strictObject({
	delay: span.prefault("0s").meta({
		description:
			"Time between “not ready” on `/readyz` and the end of accepting connections, for load balancers to notice.",
	}),
	drain: drainOptions.prefault({}).meta({ description: "How the connections that are open then are closed." }),
});
