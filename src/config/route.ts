/** An entry of `routes`, and `defaults`. */
import { z } from "zod";
import { hubTarget } from "../hub/options.ts";
import { OFF } from "../options.ts";
import { connectionLimitOptions } from "../policy/connection-limits.ts";
import { policyOptions } from "../policy/index.ts";
import { clientIpHeaderOption } from "../protocol/client.ts";
import { headerRulesOptions } from "../protocol/header-rules.ts";
import { matchOptions } from "../routing/match.ts";
import { rewriteOptions } from "../routing/rewrite.ts";
import { splitOptions } from "../routing/split.ts";
import { tunnelLimitOptions } from "../tunnel/limits-options.ts";
import { splitCookieOptions } from "../upstreams/sticky/cookie_options.ts";
import { drainOptions } from "./drain.ts";
import { retryOptions } from "./retries.ts";
import { closeCode, closeCodeOr, finiteTimer, nameText, timer } from "./values.ts";

const timeoutOptions = z.strictObject({
	connect: finiteTimer.prefault("5s").meta({ description: "For one endpoint to accept the connection." }),
	handshake: finiteTimer
		.prefault("10s")
		.meta({ description: "For one endpoint to answer the opening handshake, `connect` included." }),
	idle: timer
		.prefault("1h")
		.meta({ description: "Without a byte in either direction (Pings of the gateway do not count)." }),
	lifetime: timer.prefault("off").meta({ description: "For a connection as a whole." }),
	close: finiteTimer
		.prefault("5s")
		.meta({ description: "For the answer to a Close frame, and for a frame's end before one." }),
});

const pingMap = z.strictObject({
	interval: timer.prefault("20s").meta({ description: "A side that was silent for this long gets a Ping." }),
	timeout: finiteTimer.prefault("20s").meta({ description: "Time for the Pong, or anything else, to arrive." }),
	sides: z
		.array(z.enum(["client", "backend"]))
		.prefault(["client"])
		.meta({
			description:
				"Which sides are pinged. A backend that is busy for a while cannot answer, and is not dead: a side that is not pinged has TCP keep-alive.",
		}),
});

/** `off` has the same shape as the map: an interval that never comes and no sides. */
const pingOptions = z
	.union([z.literal("off"), z.literal(false), pingMap], { error: "expected a map (interval, timeout, sides) or off" })
	.transform(
		(ping): z.output<typeof pingMap> => (typeof ping === "object" ? ping : { interval: OFF, timeout: OFF, sides: [] }),
	);

const closeCodeOptions = z.strictObject({
	backend_lost: closeCodeOr("pass").prefault("pass").meta({
		description:
			"What a client is told when its backend went away without a Close frame. `pass`: nothing; its connection ends as the backend's did, with FIN or reset, so that its library does what it does without a gateway.",
	}),
	client_lost: closeCodeOr("pass").prefault("pass").meta({
		description:
			"What a backend is told when its client went away without a Close frame. `pass`: as above. Many servers take 1001 for “it left”.",
	}),
	overload: closeCode.prefault(1013).meta({ description: "The gateway or a slow reader cannot keep up." }),
	auth_expired: closeCode.prefault(4401).meta({ description: "The token of the connection has run out." }),
});

const limitOptions = z.strictObject({ ...connectionLimitOptions, ...tunnelLimitOptions });

/** What a route and `defaults` have in common. */
const commonOptions = {
	rewrite: rewriteOptions
		.prefault({})
		.meta({ description: "What the backend sees instead of the path and Host asked for." }),
	request_headers: headerRulesOptions.prefault({}).meta({ description: "Headers on the way to the backend." }),
	response_headers: headerRulesOptions.prefault({}).meta({ description: "Headers on the way to the client." }),
	http: z
		.enum(["forward", "reject"])
		.prefault("forward")
		.meta({ description: "Plain HTTP on the route (Socket.IO and SockJS polling): forwarded, or refused with 426." }),
	client_ip_header: clientIpHeaderOption.prefault("X-Forwarded-For").meta({
		description:
			"The one header in which `trusted_proxies` name the client: `X-Forwarded-For`, `X-Real-IP`, `CF-Connecting-IP`, `True-Client-IP`, `Forwarded` or another. No other one is believed; with `Forwarded`, X-Forwarded-Proto, -Host and -Port are not either.",
	}),
	...policyOptions,
	timeouts: timeoutOptions.prefault({}).meta({ description: "How long each step may take." }),
	ping: pingOptions
		.prefault({})
		.meta({ description: "Pings of the gateway itself, to find dead connections; or `off`." }),
	retries: retryOptions.prefault({}).meta({ description: "When another endpoint is tried; only before the 101." }),
	drain: drainOptions.prefault({}).meta({
		description: "How connections are closed when their route or endpoint is taken away.",
	}),
	limits: limitOptions.prefault({}).meta({ description: "How much clients may do. Without a key there is no limit." }),
	close_codes: closeCodeOptions.prefault({}).meta({ description: "Close codes for what the gateway ends by itself." }),
};

export const defaultOptions = z.strictObject(commonOptions);

export const routeOptions = z.strictObject({
	name: nameText.optional().meta({
		description:
			"Name in logs, metrics and the admin API, and what a reload recognises the route by. Without one it is `route-1`, `route-2` … by position.",
	}),
	match: matchOptions.prefault({}).meta({ description: "Which requests it is for; all keys have to match." }),
	upstream: z
		.string()
		.optional()
		.meta({ description: "Name of the upstream. Exactly one of `upstream`, `split` and `hub`." }),
	split: splitOptions.optional().meta({
		description:
			"Shares clients out between upstreams. A client stays at its upstream by `sticky` of the upstreams, else by `split_cookie`, else by what they hash on.",
	}),
	split_cookie: splitCookieOptions
		.optional()
		.meta({ description: "A cookie that keeps a client at its upstream of `split`. `{}` has the defaults." }),
	hub: hubTarget.optional().meta({ description: "The hub where connections end: its name, or `{ name, protocol }`." }),
	...commonOptions,
});
