/** The registry of probes, and `health_check` built from it. */
import { z } from "zod";
import { finiteDuration, percent } from "../../options.ts";
import { fixedHeaders } from "../../protocol/header-rules.ts";
import { http } from "./http.ts";
import type { Probe } from "./probe.ts";
import { tcp } from "./tcp.ts";
import { websocket } from "./websocket.ts";

/** Every kind of probe by the name it has in the config; a new one is a file and a line. */
export const PROBES = { tcp, http, websocket } as const satisfies Record<string, Probe>;

export type ProbeKind = keyof typeof PROBES;

/** Node's timers take a signed 32-bit number of milliseconds. */
const time = finiteDuration.refine((ms) => ms > 0 && ms < 2 ** 31, { error: "has to be longer than 0, at most 596h" });
const threshold = z.int().min(1).max(1000);

/** The option `health_check` of an upstream. */
export const healthCheckOptions = z.strictObject({
	type: z.enum(Object.keys(PROBES) as [ProbeKind, ...ProbeKind[]]).meta({
		description:
			"`tcp`: a connection can be opened (with TLS for `wss://`); `http`: a GET is answered with an expected status; `websocket`: an opening handshake is accepted, its 101 and Sec-WebSocket-Accept are right; it is closed with 1000.",
	}),
	path: z
		.string()
		.regex(/^\/[!-"$-~]*$/, { error: "expected a path that starts with /, without spaces and without #" })
		.prefault("/")
		.meta({ description: "What `http` and `websocket` ask for, with a query if needed." }),
	host: z
		.string()
		.regex(/^[A-Za-z0-9._-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/, {
			error: "expected a host name, with a port if needed",
		})
		.optional()
		.meta({
			description:
				"The Host that `http` and `websocket` ask for, instead of the endpoint's own `host:port`: for servers that serve certain names only.",
		}),
	headers: fixedHeaders
		.optional()
		.meta({ description: "Further headers of `http` and `websocket`, such as Authorization." }),
	subprotocol: z
		.string()
		.regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, { error: "expected a subprotocol: a name without spaces and commas" })
		.optional()
		.meta({ description: "What `websocket` offers in Sec-WebSocket-Protocol." }),
	port: z.int().min(1).max(65_535).optional().meta({ description: "Instead of the endpoint's own port." }),
	interval: time.prefault("5s").meta({
		description: "From the start of a probe to the start of the next one. A new endpoint is probed at once.",
	}),
	timeout: time.prefault("2s").meta({
		description: "For a whole probe. Never more than `interval`, so that probes of an endpoint do not overlap.",
	}),
	healthy_threshold: threshold
		.prefault(2)
		.meta({ description: "Good probes in a row until an unhealthy endpoint is used again." }),
	unhealthy_threshold: threshold
		.prefault(3)
		.meta({ description: "Failed probes in a row until a healthy endpoint is not used any more." }),
	expected_statuses: z
		.array(z.int().min(100).max(599))
		.min(1)
		.prefault([200])
		.meta({ description: "Statuses that count as healthy for `http`; `websocket` always needs 101." }),
	jitter: percent
		.refine((value) => value <= 100, { error: "has to be at most 100%" })
		.prefault("10%")
		.meta({ description: "Each wait is shorter than `interval` by a random part of up to this, never longer." }),
});

export type HealthCheckConfig = z.output<typeof healthCheckOptions>;

/** The option `on_unhealthy` of an upstream. */
export const onUnhealthyOptions = z.enum(["keep", "close"]);
