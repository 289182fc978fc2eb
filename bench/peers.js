// The proxies that are compared, as each is set up for WebSockets by its own documentation; whichever are installed.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("./", import.meta.url));
const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));

/** `version()` is undefined where the peer is not installed; `start(context)` gives the command and its arguments. */
export const PEERS = {
	direct: { version: () => "" },
	clawgate: { version: () => versionOf("../package.json"), start: clawgate },
	nginx: { version: () => says("nginx", "-v"), start: nginx },
	haproxy: { version: () => says("haproxy", "-v"), start: haproxy },
	caddy: { version: () => says("caddy", "version"), start: caddy },
	httpxy: { version: () => versionOf("node_modules/httpxy/package.json"), start: library("httpxy") },
	"http-proxy": { version: () => versionOf("node_modules/http-proxy/package.json"), start: library("http-proxy") },
	"http-proxy-3": { version: () => versionOf("node_modules/http-proxy-3/package.json"), start: library("http-proxy-3") },
};

/** For a token signed with {@link SECRET}. */
export const SECRET = "0123456789abcdef0123456789abcdef";
const CHECKS = {
	allowed_origins: ["https://app.bench.test"],
	auth: { jwt: { secret: SECRET, algorithms: ["HS256"], issuer: "bench" } },
	limits: {
		connections: 100_000,
		connections_per_ip: 100_000,
		connections_per_user: 100_000,
		new_connections_per_ip: { rate: "100000/s", burst: 100_000 },
	},
};

/** The version in what a command says of itself. */
function says(command, argument) {
	const { error, stdout, stderr } = spawnSync(command, [argument], { encoding: "utf8" });
	return error ? undefined : (/\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? "");
}

function versionOf(path) {
	const url = new URL(path, import.meta.url);
	return existsSync(url) ? JSON.parse(readFileSync(url, "utf8")).version : undefined;
}

function file(folder, name, text) {
	const path = join(folder, name);
	writeFileSync(path, text);
	return path;
}

/** With everything that a user has on: log, metrics, meter, pings. */
function clawgate({ folder, port, tlsPort, adminPort, backend, cert, key, routes = 0, endpoints = 0, checks = false, anyOrigin = false }) {
	const many = Array.from({ length: endpoints }, (_, i) => `ws://127.0.0.${1 + (i % 250)}:${backend + Math.floor(i / 250)}`);
	const config = {
		workers: 1,
		listeners: [
			{ name: "plain", address: `127.0.0.1:${port}` },
			{ name: "secure", address: `127.0.0.1:${tlsPort}`, tls: { certificates: [{ cert, key }] } },
		],
		admin: { address: `127.0.0.1:${adminPort}` },
		upstreams: { chat: { endpoints: endpoints > 0 ? many : [`ws://127.0.0.1:${backend}`] } },
		routes: [
			...Array.from({ length: routes }, (_, i) => ({
				name: `r${i}`,
				match: { host: `h${i}.test`, path_prefix: `/r${i}` },
				upstream: "chat",
			})),
			{ name: "rest", match: { path_prefix: "/" }, upstream: "chat", ...(checks ? CHECKS : anyOrigin ? { allowed_origins: ["*"] } : {}) },
		],
	};
	return [process.execPath, [MAIN, "run", "-c", file(folder, "routes.yaml", JSON.stringify(config))]];
}

function nginx({ folder, port, tlsPort, backend, cert, key }) {
	const location = `location / {
		proxy_pass http://127.0.0.1:${backend};
		proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection "upgrade";
		proxy_set_header Host $host;
		proxy_read_timeout 3600s;
		proxy_send_timeout 3600s;
	}`;
	const text = `worker_processes 1;
daemon off;
master_process off;
pid ${join(folder, "nginx.pid")};
error_log ${join(folder, "nginx.error")};
events { worker_connections 20000; }
http {
	access_log ${join(folder, "nginx.access")};
	client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
	uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
	server { listen 127.0.0.1:${port} backlog=4096; ${location} }
	server {
		listen 127.0.0.1:${tlsPort} ssl backlog=4096;
		ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;
		${location}
	}
}
`;
	return ["nginx", ["-p", folder, "-c", file(folder, "nginx.conf", text)]];
}

function haproxy({ folder, port, tlsPort, backend, cert, key }) {
	const both = file(folder, "both.pem", `${readFileSync(cert, "utf8").trim()}\n${readFileSync(key, "utf8")}`);
	const text = `global
	maxconn 9000
	nbthread 1
	log stdout format raw local0
defaults
	mode http
	log global
	option httplog
	timeout connect 5s
	timeout client 3600s
	timeout server 3600s
	timeout tunnel 3600s
frontend plain
	bind 127.0.0.1:${port}
	bind 127.0.0.1:${tlsPort} ssl crt ${both}
	default_backend chat
backend chat
	server one 127.0.0.1:${backend}
`;
	return ["haproxy", ["-db", "-f", file(folder, "haproxy.cfg", text)]];
}

function caddy({ folder, port, tlsPort, backend, cert, key }) {
	const text = `{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	log
	reverse_proxy 127.0.0.1:${backend}
}
https://:${tlsPort} {
	bind 127.0.0.1
	log
	tls ${cert} ${key}
	reverse_proxy 127.0.0.1:${backend}
}
`;
	return ["caddy", ["run", "--adapter", "caddyfile", "--config", file(folder, "Caddyfile", text)]];
}

function library(name) {
	return ({ port, tlsPort, backend, cert, key }) => [
		process.execPath,
		[join(HERE, "library.js"), name, JSON.stringify({ port, tlsPort, backend, cert, key })],
	];
}

/** Starts a peer; its output, with HAProxy's, Caddy's and Clawgate's log lines, goes to `log`. */
export function startPeer(name, context, log) {
	const [command, args] = PEERS[name].start(context);
	const { folder } = context;
	// Caddy keeps files in the home folder.
	const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
	return spawn(command, args, { stdio: ["ignore", log, log], env });
}
