/** What is asked of each configuration in test/fixtures/nginx, besides paths around its own locations. */
import type { IncomingMessage } from "node:http";

export interface Fixture {
	/** The file's name without `.conf`. */
	readonly name: string;
	/** Hosts that clients ask for; the first is asked for most. */
	readonly hosts: readonly string[];
	/** Paths besides those made from the locations. */
	readonly paths?: readonly string[];
	/** Headers that a request may have, one of each list or none. */
	readonly headers?: Readonly<Record<string, readonly string[]>>;
	/** Queries that a request may have. */
	readonly queries?: readonly string[];
	/** Backends that nobody listens for. */
	readonly gone?: readonly string[];
	/** Backends that speak TLS. */
	readonly tls?: readonly string[];
	/** Names of the certificates in `certs/`. */
	readonly certificates?: Readonly<Record<string, readonly [string, ...string[]]>>;
	/** The status of a backend's answer to plain HTTP, and headers of it; 200 by default. */
	readonly answer?: (backend: string, request: IncomingMessage) => { status: number; headers?: Record<string, string> };
	/** Files next to the configuration. */
	readonly files?: Readonly<Record<string, string>>;
	/** Headers of answers to plain HTTP that have to be the same; an absolute Location with the client's host is a path. */
	readonly told?: readonly string[];
	/** Upstreams whose choice is not the same by nature: any server of them will do. */
	readonly anyServerOf?: readonly string[];
}

export const FIXTURES: readonly Fixture[] = [
	{
		name: "socketio-app",
		hosts: ["io.example.com", "other.example.com"],
		queries: ["EIO=4&transport=polling", "EIO=4&transport=websocket"],
	},
	{
		name: "virtual-hosts",
		hosts: [
			...["chat.example.com", "www.chat.example.com", "shop.example.com", "a.b.example.com", "eu.example.com"],
			...[
				"x.eu.example.com",
				"example.com",
				"mail.org",
				"mail.a.test",
				"mailx.org",
				"acme.tenants.test",
				"a1.tenants.test",
			],
			...["admin7.test", "admin.test", "nobody.test", "CHAT.Example.Com"],
		],
		paths: ["/live", "/live/x", "/wsx"],
	},
	{
		name: "regex-locations",
		hosts: ["rooms.example.com", "any.test"],
		paths: [
			...[
				"/rooms/12",
				"/rooms/12/",
				"/rooms/ab",
				"/rooms/lobby/",
				"/a.ws",
				"/a.WS",
				"/assets/a.ws",
				"/assets/live/a.ws",
			],
			...[
				"/assets/live/x",
				"/v1/",
				"/v2/x",
				"/v3/x",
				"/v12/x",
				"/a.php",
				"/assets/a.php",
				"/.git/x",
				"/.well-known/x",
				"/rooms/.x",
			],
		],
	},
	{ name: "mqtt-broker", hosts: ["mqtt.example.com"] },
	{
		name: "jupyterhub",
		hosts: ["hub.example.com"],
		paths: [
			...["/user/ann/api/kernels/1a/channels", "/user/ann/api/kernels/1a/channelsx", "/USER/ann/terminals/websocket/1"],
			...[
				"/x/user/ann/terminals/websocket",
				"/user/ann/tree",
				"/user//terminals/websocket",
				"/x.well-known",
				"/hub/.well-known/y",
			],
		],
	},
	{
		name: "home-assistant",
		hosts: ["home.example.com", "home.local", "other.test"],
		certificates: { home: ["home.example.com", "home.local"] },
		paths: ["/api/websocketx", "/cameras/api/ws"],
	},
	{
		name: "grafana-live",
		hosts: ["grafana.example.com"],
		paths: ["/grafana/api/live/ws", "/grafana/d/1", "/prometheusx"],
	},
	{
		name: "kubernetes-ingress",
		hosts: ["shop.example.com", "blog.apps.example.com", "a-b.apps.example.com", "a.b.apps.example.com", "other.test"],
		paths: ["/events/0a1b2c3d", "/events/0A1B2C3D/x", "/events/0a1b2c3dx", "/events/0a1b2c3", "/healthz"],
	},
	{
		name: "pools",
		hosts: ["pools.example.com"],
		queries: ["room=a", "room=b", "room=c", "room=d", "room=e", "x=1"],
		anyServerOf: ["fewest", "by_chance"],
	},
	{ name: "backup-servers", hosts: ["game.example.com"], gone: ["gone.test:7100"], paths: ["/lobby/a/b"] },
	{
		name: "tls-hosts",
		hosts: ["chat.example.com", "game.example.com", "a.wild.example.com", "other.test"],
		tls: ["127.0.0.1:4202"],
		certificates: { chat: ["chat.example.com"], game: ["game.example.com"], wild: ["*.wild.example.com"] },
		paths: ["/play/x"],
	},
	{
		name: "path-rewrites",
		hosts: ["api.example.com"],
		paths: [
			...[
				"/rooms/12/ws",
				"/rooms/12/sse",
				"/rooms/12/x",
				"/teams/red",
				"/teams/red/1",
				"/teams/7",
				"/legacy/a.do",
				"/legacy/a",
			],
			...["/moved/x", "/gone/x", "/strip/a/b", "/cutter/x", "/whole/a%2Fb"],
		],
	},
	{
		name: "nested-locations",
		hosts: ["app.example.com"],
		paths: [
			...[
				"/app/a.js",
				"/app/a.JS",
				"/app/a.png",
				"/APP/a.js",
				"/app/live/a.js",
				"/app/live/a.m3u8",
				"/app/live/status/x",
			],
			...[
				"/app/admin/a.js",
				"/app/admin/files/a",
				"/app/admin/files/a.js",
				"/a.js",
				"/a.css",
				"/en/chat",
				"/en/x",
				"/en/a.js",
				"/fr/chat",
				"/application",
			],
		],
	},
	{
		name: "includes-and-maps",
		hosts: ["www.example.com", "a.sites.example.com", "example.com", "other.test"],
		paths: ["/key/x", "/versions/x", "/mixed/x"],
		queries: ["canary=1", "canary=2", "key=", "key=k", "key=k&canary=1"],
		headers: {
			"X-Version": ["v2", "V2", "v3.1", "v3", "v4"],
			"X-Tenant": ["acme", "other"],
			"X-Agent": [],
			Origin: ["https://app.example.com", "https://evil.test"],
		},
	},
	{
		name: "pcre-patterns",
		hosts: ["any.test"],
		paths: [
			...["/map/a.key", "/map/a.keyx", "/map/1.key", "/x/.git/config", "/.git", "/xgit", "/hex/ab", "/hex/a", "/hex/x"],
			...["/letters/abc", "/letters/%C3%A9", "/letters/a1", "/aF/x", "/ag/x", "/brackets/%5D", "/brackets/]"],
			...["/brackets/a", "/others/ax", "/others/%5Dx", "/others/%20x", "/any/ab", "/any/a%20", "/any/abc", "/any/%0Aa"],
			...["/blank/a%20b", "/blank/a+b", "/tabs/%20%09", "/tabs/@", "/tabs/%40", "/tabs/x", "/whole", "/whole%0A"],
			...["/wholex", "/strict", "/strictx", "/accent/%C3%A9", "/accent/e", "/one/a", "/one/%20", "/one/ab"],
			...["/mixed/SeCrEt/x", "/mixed/secret/X", "/spaced/12", "/spaced/123", "/digits/12", "/digits/12a", "/kept/x"],
			...["/kept/y", "/at-start/x", "/x/at-start/x", "/query%3Fa", "/querya", "/param;x", "/param%3Bx", "/mail@home/x"],
			...["/mail%40home/x", "/twice/aa", "/twice/ab", "/before/xy", "/before/ay", "/before/b", "/atomic/aab"],
			...["/atomic/x", "/rooms/12", "/rooms/x", "/users/a_b-1/WS", "/users/a.b/ws", "/USERS/a/ws"],
		],
	},
	{
		name: "decisions",
		hosts: ["app.example.com", "a.tenants.test", "51.tenants.test"],
		paths: [
			...["/staged/x", "/from/x", "/blocked/x", "/inside/x", "/either/x", "/password/x", "/cookie/x", "/login/x"],
			...["/tenant/a/x", "/tenant/1/x"],
		],
		headers: {
			Cookie: ["stage=beta", "a=1; STAGE=beta", "stage=BETA", "stage=v12", "stage=v", "stage=gamma"],
			Origin: [
				"https://app.example.com",
				"https://www.example.com",
				"https://evil.test",
				"https://a.example.com.evil.test",
			],
			// secret, wrong
			Authorization: ["Basic YWRhOnNlY3JldA==", "Basic YWRhOndyb25n"],
		},
		files: { users: "ada:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/\n" },
		answer: () => ({
			status: 200,
			headers: { Location: "/next", "Set-Cookie": "sid=1; Path=/x", "X-Frame-Options": "SAMEORIGIN" },
		}),
		told: ["location", "set-cookie", "x-frame-options"],
	},
	{
		name: "guarded-app",
		hosts: ["app.example.com"],
		paths: ["/auth", "/live/x", "/open/x", "/closed/x", "/rails/x"],
		headers: { "X-Token": ["good", "bad"] },
		answer: (backend, request) => {
			if (backend !== "127.0.0.1:4600") return { status: 200 };
			return request.headers["x-token"] === "good" ? { status: 200, headers: { "X-User": "ann" } } : { status: 401 };
		},
	},
];
