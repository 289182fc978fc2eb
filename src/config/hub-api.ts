/** The `hub_api` section: where backends publish to hubs. */
import { z } from "zod";
import { listenAddress } from "./address.ts";
import { certificate, minTlsVersion } from "./listener.ts";
import { filePath } from "./values.ts";

export const hubApiOptions = z.strictObject({
	address: listenAddress.meta({
		description: "Where it listens, written like `listeners[].address`. Off loopback it needs keys.",
	}),
	keys_file: filePath.optional().meta({
		description:
			"File with a line `name sha256:<hex>` for each backend's key: `printf %s KEY | sha256sum`. A backend sends its key as `X-API-Key`. Read again on reload.",
	}),
	tls: z
		.strictObject({
			certificates: z.array(certificate).min(1, { error: "expected at least one certificate" }).meta({
				description: "What is shown to backends: one, or one of each kind of key. Read again on reload.",
			}),
			min_version: minTlsVersion,
		})
		.optional()
		.meta({ description: "Makes it https://." }),
});
