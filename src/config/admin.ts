/** The `admin` section: the port of the admin API, metrics and health. */
import { z } from "zod";
import { listenAddress } from "./address.ts";

export const adminOptions = z.strictObject({
	address: listenAddress.meta({
		description: "Where the admin API listens, written like `listeners[].address`. Off loopback it needs a token.",
	}),
	token: z
		.string()
		.prefault("")
		.meta({ description: "Bearer token that every request has to carry. Empty: none, possible on loopback only." }),
});
