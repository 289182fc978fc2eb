/** Servers and intermediaries that give themselves away in an answer, and what is to be known about each. */
import { ERRORS, type ErrorCode } from "../errors.ts";
import { headerValues } from "./words.ts";

/** What a server can be recognised by. */
export interface Signs {
	/** Server and Via headers, in lower case. */
	readonly names: string;
	/** Name, value, name, value … */
	readonly rawHeaders: readonly string[];
	readonly body: string;
}

export interface KnownServer {
	readonly name: string;
	/** `proxy`: it stands before something else. */
	readonly kind: "proxy" | "application";
	matches(signs: Signs): boolean;
	/** What lets WebSockets through, or what the application needs to speak it. */
	readonly upgrade?: string;
	/** What decides how long an idle connection may stay. */
	readonly idle?: string;
	/** What its own answer with a status usually comes from. */
	readonly statuses?: Readonly<Record<number, string>>;
}

const named =
	(pattern: RegExp) =>
	({ names }: Signs): boolean =>
		pattern.test(names);

const has = (rawHeaders: readonly string[], header: string): boolean => headerValues(rawHeaders, header).length > 0;

const NGINX_502 =
	"nginx: its error log says why (`connect() failed`, `no live upstreams`, `upstream prematurely closed`); check the port in `proxy_pass` and that the server behind runs.";

/** A refusal of Clawgate itself: its body is one line `CODE: what to do`. */
export interface ClawgateRefusal {
	readonly code: ErrorCode;
	readonly hint: string;
}

/** Reads such a body; undefined when it is none. */
export function clawgateRefusal(body: string): ClawgateRefusal | undefined {
	const match = /^([A-Z][A-Z_]+): ([^\r\n]+)\r?\n?$/.exec(body);
	if (!match || !Object.hasOwn(ERRORS, match[1] as string)) return undefined;
	return { code: match[1] as ErrorCode, hint: match[2] as string };
}

/** The more particular first. */
export const KNOWN_SERVERS: readonly KnownServer[] = [
	{
		name: "Clawgate",
		kind: "proxy",
		matches: ({ body }) => clawgateRefusal(body) !== undefined,
		idle: "Clawgate: `timeouts.idle` of the route.",
	},
	{
		name: "Cloudflare",
		kind: "proxy",
		matches: ({ names, rawHeaders }) => names.includes("cloudflare") || has(rawHeaders, "cf-ray"),
		upgrade: "Cloudflare: switch Network → WebSockets on for the zone, and look at rules and Workers on this path.",
		idle: "Cloudflare: cuts after 100 s without data; only Enterprise plans can change that.",
		statuses: {
			403: "Cloudflare: a firewall rule or bot protection may have answered; Security → Events shows it.",
			502: "Cloudflare: the origin answered 502, or could not be understood.",
		},
	},
	{
		name: "CloudFront",
		kind: "proxy",
		matches: ({ names, rawHeaders }) => names.includes("cloudfront") || has(rawHeaders, "x-amz-cf-id"),
		upgrade: "CloudFront: the origin request policy has to pass the Sec-WebSocket-* headers (AllViewer does).",
	},
	{
		name: "AWS ALB",
		kind: "proxy",
		matches: ({ names, rawHeaders }) =>
			names.includes("awselb") || headerValues(rawHeaders, "set-cookie").some((cookie) => /^AWSALB/.test(cookie)),
		upgrade: "AWS ALB: the target group's protocol version has to be HTTP1.",
		idle: "AWS ALB: attribute `idle_timeout.timeout_seconds`, 60 by default.",
		statuses: {
			464: "AWS ALB: the target group's protocol version is HTTP2 or gRPC; WebSockets need HTTP1.",
			502: "AWS ALB: the target closed the connection or broke the protocol; the access log's error_reason says which.",
			503: "AWS ALB: the target group has no registered targets.",
			504: "AWS ALB: the target did not answer; look at security groups and at the target's port.",
		},
	},
	{
		name: "AWS API Gateway",
		kind: "proxy",
		matches: ({ rawHeaders }) => has(rawHeaders, "x-amzn-errortype") || has(rawHeaders, "apigw-requestid"),
		upgrade: "AWS API Gateway: REST and HTTP APIs take no WebSockets; a WebSocket API is a kind of its own.",
		idle: "AWS API Gateway: ends idle connections after 10 minutes and all of them after 2 hours.",
		statuses: { 403: "AWS API Gateway: often a wrong stage in the path, or an authorizer that said no." },
	},
	{
		name: "Google Cloud load balancer",
		kind: "proxy",
		matches: named(/\b1\.1 google\b|google frontend/),
		idle: "Google Cloud: the timeout of the backend service, 30 s by default, ends WebSockets.",
	},
	{
		name: "Heroku",
		kind: "proxy",
		matches: named(/heroku|\bvegur\b/),
		idle: "Heroku: the router ends connections after 55 s without data (H15).",
		statuses: { 503: "Heroku: `heroku logs` has a code: H10 crashed, H12 timeout, H14 no web dynos." },
	},
	{
		name: "Azure",
		kind: "proxy",
		matches: ({ names, rawHeaders }) =>
			names.includes("microsoft-azure") ||
			headerValues(rawHeaders, "set-cookie").some((cookie) => /^ARRAffinity/.test(cookie)),
		upgrade: "Azure App Service: switch Configuration → General settings → Web sockets on.",
		idle: "Azure: load balancers end connections after about 4 minutes without data.",
	},
	{
		name: "Vercel",
		kind: "proxy",
		matches: named(/\bvercel\b/),
		upgrade: "Vercel: its functions take no WebSockets on most plans and runtimes; run the WebSocket server elsewhere.",
	},
	{
		name: "Netlify",
		kind: "proxy",
		matches: named(/\bnetlify\b/),
		upgrade: "Netlify: takes no WebSockets; run the WebSocket server elsewhere.",
	},
	{
		name: "Varnish",
		kind: "proxy",
		matches: named(/\bvarnish\b/),
		upgrade:
			"Varnish: `if (req.http.Upgrade) { return (pipe); }` in vcl_recv, and copy Upgrade and Connection in vcl_pipe.",
	},
	{
		name: "Squid",
		kind: "proxy",
		matches: named(/\bsquid\b/),
		upgrade: "Squid: passes Upgrade only with `http_upgrade_request_protocols websocket allow all`.",
	},
	{
		name: "Envoy",
		kind: "proxy",
		matches: ({ names, body }) =>
			/\benvoy\b/.test(names) ||
			/^(?:upstream connect error or disconnect|no healthy upstream|upstream request timeout)/.test(body),
		upgrade: "Envoy: `upgrade_configs: [{ upgrade_type: websocket }]` in the HTTP connection manager or on the route.",
		idle: "Envoy: `stream_idle_timeout` (5 minutes by default), and the route's `timeout`.",
		statuses: {
			403: "Envoy: refuses every Upgrade with 403 on routes without `upgrade_configs` for websocket, and on direct_response routes.",
			503: "Envoy: the body says whether no endpoint is healthy or the connection to one failed; response flags UH, UF, UC in the access log.",
			504: "Envoy: the route's `timeout` (15 s by default) ran out.",
		},
	},
	{
		name: "HAProxy",
		kind: "proxy",
		matches: ({ body }) =>
			/No server is available to handle this request|The server returned an invalid or incomplete response|The server didn't respond in time|Request forbidden by administrative rules/.test(
				body,
			),
		upgrade:
			"HAProxy: passes Upgrade by itself in `mode http`; look for `http-request del-header Upgrade` and `option httpclose`.",
		idle: "HAProxy: `timeout tunnel 1h` in defaults or the backend.",
		statuses: {
			502: "HAProxy: the server's answer was not valid; its log has the termination state (PH, SH).",
			503: "HAProxy: every server of the backend is down or in maintenance; `show stat` on its socket says which.",
			504: "HAProxy: `timeout server` ran out before the server answered.",
		},
	},
	{
		name: "Caddy",
		kind: "proxy",
		matches: named(/\bcaddy\b/),
		upgrade:
			"Caddy: reverse_proxy passes Upgrade by itself; check that the path reaches `reverse_proxy` and not `file_server`.",
		idle: "Caddy: `stream_timeout` of reverse_proxy, none by default; a reload closes WebSockets unless `stream_close_delay` is set.",
		statuses: { 502: "Caddy: its log says `dial tcp … refused` or what else happened to the upstream." },
	},
	{
		name: "Kong",
		kind: "proxy",
		matches: named(/\bkong\b/),
		upgrade: "Kong: the service's protocol has to be http(s) or ws(s), and the route's protocols have to match.",
		idle: "Kong: `read_timeout` and `write_timeout` of the service, 60 s by default.",
	},
	{
		name: "Traefik",
		kind: "proxy",
		matches: ({ names, body }) => names.includes("traefik") || body.trim() === "no available server",
		idle: "Traefik: `respondingTimeouts.readTimeout` and `idleTimeout` of the entry point.",
		statuses: { 503: "Traefik: the service has no healthy server." },
	},
	{
		name: "nginx",
		kind: "proxy",
		matches: named(/\b(?:nginx|openresty|tengine)\b/),
		upgrade:
			"nginx: `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;` in the location, with `map $http_upgrade $connection_upgrade { default upgrade; '' close; }` in http.",
		idle: "nginx: `proxy_read_timeout 1h;` in the location (60 s by default); Pings of the server behind count as data.",
		statuses: {
			403: "nginx: when its own error page answered, an `allow`/`deny` rule or a location without `proxy_pass` did.",
			404: "nginx: when its own error page answered, no location with `proxy_pass` matches the path.",
			413: "nginx: `client_max_body_size`.",
			499: "nginx: the client went away first.",
			502: NGINX_502,
			503: "nginx: `limit_conn` or `limit_req`, or the server behind said so itself.",
			504: "nginx: `proxy_connect_timeout` or `proxy_read_timeout` ran out; the server behind accepts and does not answer.",
		},
	},
	{
		name: "Apache httpd",
		kind: "proxy",
		matches: named(/\bapache\b(?!-coyote)/),
		upgrade:
			"Apache: `ProxyPass /ws http://backend/ws upgrade=websocket` (2.4.47 and newer), or mod_proxy_wstunnel before it.",
		idle: "Apache: `ProxyTimeout`, or `timeout=` of the ProxyPass line (60 s by default).",
	},
	{
		name: "IIS",
		kind: "proxy",
		matches: named(/microsoft-iis/),
		upgrade: "IIS: install the feature WebSocket Protocol, and set `webSocket enabled` in web.config.",
	},
	{
		name: "gunicorn",
		kind: "application",
		matches: named(/\bgunicorn\b/),
		upgrade:
			"gunicorn: its sync workers speak no WebSocket; use `-k uvicorn.workers.UvicornWorker` or an eventlet or gevent worker.",
	},
	{
		name: "uvicorn",
		kind: "application",
		matches: named(/\buvicorn\b/),
		upgrade:
			"uvicorn: install `uvicorn[standard]` (or websockets): without a library it answers handshakes as plain HTTP.",
		statuses: { 403: "uvicorn: the application closed the socket before accepting it; that becomes a 403." },
	},
	{
		name: "Werkzeug",
		kind: "application",
		matches: named(/\bwerkzeug\b/),
		upgrade: "Werkzeug: the development server needs flask-sock or Flask-SocketIO with a server that speaks WebSocket.",
	},
	{
		name: "Kestrel",
		kind: "application",
		matches: named(/\bkestrel\b/),
		upgrade: "ASP.NET Core: `app.UseWebSockets()` has to come before the handler of this path.",
	},
	{
		name: "Tomcat or Jetty",
		kind: "application",
		matches: ({ names, body }) => /apache-coyote|\bjetty\b/.test(names) || body.includes("Apache Tomcat"),
		upgrade:
			"Tomcat and Jetty: check the endpoint's path (with the context path before it) and that the WebSocket module is there.",
	},
	{
		name: "Express",
		kind: "application",
		matches: ({ rawHeaders }) => headerValues(rawHeaders, "x-powered-by").some((value) => /express/i.test(value)),
		upgrade:
			"Express: handles plain requests only; the WebSocket server has to be attached to the http.Server (`new WebSocketServer({ server })`).",
	},
];

/** Who answered, as far as the answer tells. */
export function recognise(rawHeaders: readonly string[], body: string): KnownServer | undefined {
	const names = [...headerValues(rawHeaders, "server"), ...headerValues(rawHeaders, "via")].join(", ").toLowerCase();
	return KNOWN_SERVERS.find((server) => server.matches({ names, rawHeaders, body }));
}
