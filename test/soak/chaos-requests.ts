/** What clients of the chaos run do: each kind is something that a proxy once fell over, or let in. */
import { randomBytes } from "node:crypto";
import { frame, frameHeader, OPCODE } from "../harness/frames.ts";
import { frameSequence, hostileEnding } from "../harness/sequences.ts";
import { rawToken } from "../harness/tokens.ts";
import type { Visit } from "./chaos-client.ts";
import type { ChaosPorts } from "./chaos-config.ts";

export interface RequestContext {
	readonly ports: ChaosPorts;
	readonly random: () => number;
}

export interface ChaosRequest {
	readonly visit: Visit;
	/** An answer that nobody may get, if there is one. */
	readonly never?: RegExp;
}

/** Let in: by the gateway, or by the backend behind it. */
const IN = /^HTTP\/1\.1 (101|2\d\d)/;

/** What the backends can be made to do; see chaos-backend.js. */
const ANSWERS = [
	...[
		"ok",
		"000",
		"099",
		"1000",
		"101",
		"103",
		"endless",
		"endless-head",
		"endless-100",
		"silent",
		"reset",
		"end",
		"half",
	],
	...[
		"reset-in-body",
		"bad-chunk",
		"bad-coding",
		"extra",
		"file-name",
		"raw",
		"slow",
		"events",
		"echo",
		"wrong-accept",
	],
	...["slow-101", "mid-frame", "bad-frames", "close", "flood"],
];
/** The head of a 2xx lets clients in, whatever becomes of the body; these have none. */
const AUTH_ANSWERS = ["000", "099", "1000", "endless-head", "endless-100", "silent", "reset", "end", "raw"];

/** Spellings that some server reads as `/admin/secret`. */
const SPELLINGS = [
	...["/admin%2fsecret", "/%2fadmin/secret", "/admin;/x", "/admin/secret", "/%61dmin/x", "//admin/x", "/x/../admin/x"],
	...[
		"/./admin/x",
		"/admin%5csecret",
		"/admin\\secret",
		"/admin%00",
		"/admin.",
		"/admin%20",
		"/x/%2e%2e/admin/x",
		"/admin%3fx",
	],
	...["/admin%23", "/admin/%2e./x", "http://other.test/admin/x", "/admin;a=b/secret", "/admin%253f/../x"],
];

const pick = <T>(random: () => number, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** Comes from one of a few hundred addresses: tables that are kept by address have an end. */
const address = (random: () => number): string => `127.9.${Math.floor(random() * 2)}.${1 + Math.floor(random() * 120)}`;

function head(path: string, headers: readonly string[] = [], method = "GET"): string {
	return [`${method} ${path} HTTP/1.1`, "Host: gateway.test", ...headers, "", ""].join("\r\n");
}

function upgrade(path: string, headers: readonly string[] = []): string {
	const key = randomBytes(16).toString("base64");
	return head(path, [
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		`Sec-WebSocket-Key: ${key}`,
		...headers,
	]);
}

/** Either kind of request. */
const either = (random: () => number, path: string, headers: readonly string[] = []): string =>
	random() < 0.5 ? upgrade(path, headers) : head(path, headers);

const basic = (user: string, password: string): string =>
	`Authorization: Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** How a client goes when it has seen enough. */
const manners = (random: () => number): Pick<Visit, "stays" | "resets"> => ({
	stays: random() < 0.5 ? 0 : random() * 1_500,
	resets: random() < 0.3,
});

function badToken(random: () => number): string {
	const claims = { sub: "ada", exp: Date.now() / 1_000 + (random() < 0.5 ? 60 : -60) };
	return pick(random, [
		rawToken({ alg: "HS256" }, claims, "guessed"),
		rawToken({ alg: "none" }, claims),
		rawToken("{", claims, "guessed"),
		rawToken({ alg: "HS256", crit: ["x"] }, "{}", "guessed"),
		`${"a".repeat(9_000)}.b.c`,
		"..",
	]);
}

/** Each makes one visit. */
export const REQUESTS: Readonly<Record<string, (context: RequestContext) => ChaosRequest>> = {
	"a backend's answer": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [either(random, `/b/${pick(random, ANSWERS)}/x`)], ...manners(random) },
	}),
	"a backend's answer, over TLS with renegotiation": ({ ports, random }) => ({
		visit: {
			port: ports.tls,
			parts: [either(random, `/b/${pick(random, ANSWERS)}/x`)],
			renegotiates: true,
			stays: 1_000,
		},
	}),
	"pipelined requests": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [head(`/b/${pick(random, ANSWERS)}/x`).repeat(Math.floor(2 + random() * 3_000)), upgrade("/b/echo")],
			...manners(random),
			...(random() < 0.3 ? { impatient: random() * 500 } : {}),
		},
	}),
	"a path's spelling": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [either(random, pick(random, SPELLINGS))], ...manners(random) },
		never: IN,
	}),
	"headers with underscores": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [either(random, "/b/ok/x", ["X_Remote_User: root", "X_Forwarded_For: 10.0.0.1", "Content_Length: 5"])],
			...manners(random),
		},
	}),
	"an authentication server's answer": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [either(random, `/fwd/${pick(random, AUTH_ANSWERS)}/x`)], ...manners(random) },
		never: IN,
	}),
	"a wrong Origin": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [upgrade("/b/echo", [`Origin: ${pick(random, ["https://evil.test", "null", "file://", "%"])}`])],
		},
		never: IN,
	}),
	"a bad token": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			localAddress: address(random),
			parts: [either(random, "/jwt/ok/x", [`Authorization: Bearer ${badToken(random)}`])],
			...manners(random),
		},
		never: IN,
	}),
	"a guessed password": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			localAddress: address(random),
			parts: [
				either(random, "/basic/ok/x", [basic(pick(random, ["ada", "eve", "nobody"]), randomBytes(4).toString("hex"))]),
			],
			...manners(random),
		},
		never: IN,
	}),
	"a guessed key": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			localAddress: address(random),
			parts: [either(random, "/key/ok/x", [`X-Api-Key: ${randomBytes(4).toString("hex")}`])],
		},
		never: IN,
	}),
	"a name whose server is silent": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [either(random, "/dead/ok/x")], ...(random() < 0.5 ? { impatient: 500 } : {}) },
	}),
	"a PROXY header": ({ ports, random }) => ({
		visit: {
			port: ports.proxied,
			parts: [
				pick(random, [
					"PROXY TCP4 203.0.113.7 198.51.100.1 4711 8443\r\n",
					"PROXY UNKNOWN\r\n",
					"PROXY TCP4 999.0.0.1 1.1.1.1 1 2\r\n",
					`PROXY ${"x".repeat(200)}`,
					"",
					Buffer.from("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "latin1"),
					Buffer.from("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", "latin1"),
				]),
				either(random, `/b/${pick(random, ["ok", "echo"])}/x`),
			],
			gap: random() * 200,
			...manners(random),
		},
	}),
	"a head that comes slowly": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [...head("/b/ok/x", ["X-Slow: ".padEnd(60, "x")])].slice(0, -2),
			gap: 20 + random() * 200,
		},
	}),
	"a body that comes slowly": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [
				head(`/b/${pick(random, ["ok", "silent", "reset"])}/x`, ["Content-Length: 1000"], "POST"),
				..."slowly".split(""),
			],
			gap: 200,
			impatient: 2_000,
			resets: random() < 0.5,
		},
	}),
	"bytes that are no HTTP": ({ ports, random }) => ({
		visit: {
			port: pick(random, [ports.public, ports.tls, ports.proxied, ports.admin]),
			parts: [randomBytes(1 + Math.floor(random() * 2_000)), "\r\n\r\n"],
		},
	}),
	"a tunnel with any frames": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [
				upgrade("/b/echo"),
				...Array.from({ length: 5 }, () => frameSequence(random, true)),
				hostileEnding(random, true),
			],
			gap: 50,
			...manners(random),
		},
	}),
	"a tunnel that is left in the middle of a frame": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [
				upgrade("/b/echo"),
				Buffer.concat([frame(OPCODE.text, "whole", { mask: true }), frameHeader(OPCODE.binary, 9_000, { mask: true })]),
			],
			stays: 200 + random() * 500,
			resets: random() < 0.5,
		},
	}),
	"a reader that does not read": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [upgrade("/b/flood")], stays: random() * 1_000, resets: random() < 0.5 },
	}),
	"a stream from an endpoint that is drained": ({ ports, random }) => ({
		visit: { port: ports.public, parts: [head("/swinging/events/x")], stays: random() * 6_000, resets: random() < 0.5 },
	}),
	"a tunnel to an endpoint that is drained": ({ ports, random }) => ({
		visit: {
			port: ports.public,
			parts: [upgrade("/swinging/echo/x")],
			stays: random() * 6_000,
			resets: random() < 0.5,
		},
	}),
	"no request at all": ({ ports, random }) => ({
		visit: {
			port: pick(random, [ports.public, ports.tls, ports.admin]),
			parts: [],
			impatient: random() * 3_000,
			resets: random() < 0.5,
		},
	}),
	"a foreign page at the admin port": ({ ports }) => ({
		visit: {
			port: ports.admin,
			parts: [
				head(
					"/api/v1/reload",
					["Origin: https://evil.test", "Content-Type: application/json", "Content-Length: 2"],
					"POST",
				),
				"{}",
			],
		},
		never: IN,
	}),
	TRACE: ({ ports, random }) => ({
		visit: { port: ports.public, parts: [head("/b/ok/x", ["Cookie: secret"], "TRACE")], ...manners(random) },
		never: IN,
	}),
};
