/** After how many seconds of silence well-known intermediaries cut a connection, unless told otherwise. */

export interface IdleLimit {
	readonly seconds: number;
	readonly who: string;
}

export const IDLE_LIMITS: readonly IdleLimit[] = [
	{
		seconds: 30,
		who: "Google Cloud load balancers (timeout of the backend service, which may end busy connections too)",
	},
	{ seconds: 50, who: "HAProxy with the timeouts of the Debian package; set `timeout tunnel 1h`" },
	{ seconds: 55, who: "Heroku's router" },
	{
		seconds: 60,
		who: "nginx (`proxy_read_timeout`), AWS ALB (`idle_timeout.timeout_seconds`) and Traefik (`respondingTimeouts.readTimeout`)",
	},
	{ seconds: 100, who: "Cloudflare" },
	{ seconds: 180, who: "Traefik (`respondingTimeouts.idleTimeout`)" },
	{ seconds: 230, who: "Azure App Service" },
	{ seconds: 240, who: "Azure load balancers" },
	{ seconds: 300, who: "Envoy (`stream_idle_timeout`) and ngrok" },
	{ seconds: 350, who: "AWS NLB and NAT gateways" },
	{ seconds: 600, who: "AWS API Gateway, and Google Cloud's firewall" },
	{
		seconds: 3600,
		who: "Clawgate (`timeouts.idle`, which says so in its Close frame) and HAProxy with `timeout tunnel 1h`",
	},
];

/** Whose habit a cut after so many milliseconds of silence is; undefined when nobody's. */
export function idleLimitAt(milliseconds: number): IdleLimit | undefined {
	const seconds = milliseconds / 1_000;
	return IDLE_LIMITS.find((limit) => Math.abs(limit.seconds - seconds) <= Math.max(1.5, limit.seconds * 0.02));
}
