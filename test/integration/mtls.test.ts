import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import {
	type ConnectionOptions,
	connect,
	createServer as createTlsServer,
	type TLSSocket,
	type TlsOptions,
} from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Certificate, certificate, temporaryFiles } from "../harness/certs.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { echoingFrames, type RawBackend, startRawBackend, switchingProtocols } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { openWs } from "../harness/ws-client.ts";

interface Setup {
	gateway: TestGateway;
	backend: RawBackend;
	ca: Certificate;
	svc: Certificate;
}

/** A gateway with two listeners: `mtls`, which asks for certificates of one authority, and `open`, which does not. */
async function setUp(clientAuth: string, more = ""): Promise<Setup> {
	const ca = await certificate(["Test CA"], { isCa: true });
	const svc = await certificate(["svc"], { ca });
	const files = await temporaryFiles({ "ca.pem": ca.cert });
	const backend = await startRawBackend(echoingFrames());
	const gateway = await startTestGateway(`
		trusted_proxies: [127.0.0.1]
		listeners:
			- name: mtls
			  address: "127.0.0.1:0"
			  tls: { self_signed: [localhost], client_ca: "${files["ca.pem"]}", client_auth: ${clientAuth}${more} }
			- { name: open, address: "127.0.0.1:0" }
		upstreams: { b: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: b, timeouts: { close: 1s } }]
	`);
	return { gateway, backend, ca, svc };
}

/** Opens TLS and sends a handshake, whatever comes of it. */
async function attempt(port: number, tls: ConnectionOptions): Promise<{ error: string | undefined; answer: string }> {
	const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...tls });
	onTestFinished(() => void socket.destroy());
	let error: string | undefined;
	let answer = "";
	socket.on("error", (failure: NodeJS.ErrnoException) => {
		error = failure.code ?? failure.message;
	});
	socket.on("data", (chunk: Buffer) => {
		answer += chunk.toString();
	});
	socket.write(
		"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	);
	await within(new Promise((resolve) => socket.once("close", resolve)), { what: "the connection to close" });
	return { error, answer };
}

const FORGED = {
	"X-Client-Verified": "SUCCESS",
	"X-Client-Cert-Subject": "CN=admin",
	"x-client-cert-fingerprint": "00",
	X_Client_Cert_Subject: "CN=admin",
};

describe("client_auth: require", () => {
	it.each(["TLSv1.2", "TLSv1.3"] as const)(
		"lets a client in whose certificate is from client_ca, %s",
		async (version) => {
			const { gateway, backend, svc } = await setUp("require");
			const tls = { ...svc, minVersion: version, maxVersion: version };
			const client = await openRaw(gateway.port, "/", { tls, headers: FORGED });
			const { request } = await backend.connection();
			expect(request?.all("X-Client-Verified")).toEqual(["SUCCESS"]);
			expect(request?.all("X-Client-Cert-Subject")).toEqual(["CN=svc"]);
			expect(request?.all("X-Client-Cert-Fingerprint")).toEqual([
				new X509Certificate(svc.cert).fingerprint256.replaceAll(":", "").toLowerCase(),
			]);
			expect(request?.header("X_Client_Cert_Subject")).toBeUndefined();
			expect(await gateway.waitForLog("ws.open")).toMatchObject({
				user: "svc",
				listener: "mtls",
				tls_version: version,
			});
			client.reset();
		},
	);

	it("refuses everybody else in the TLS handshake, with one line of clear words and nothing at a backend", async () => {
		const { gateway, backend, ca } = await setUp("require");
		const other = await certificate(["Other CA"], { isCa: true });
		const cases: [string, ConnectionOptions, RegExp][] = [
			["no certificate", {}, /the client showed no certificate, and client_auth is require/],
			["another authority", await certificate(["svc"], { ca: other }), /an authority that client_ca does not have/],
			["self-signed", await certificate(["svc"]), /self-signed/],
			[
				"expired",
				await certificate(["svc"], { ca, notBefore: new Date(0), notAfter: new Date(Date.now() - 1000) }),
				/has expired/,
			],
			[
				"not valid yet",
				await certificate(["svc"], { ca, notBefore: new Date(Date.now() + 3_600_000) }),
				/is not valid yet/,
			],
		];
		for (const [name, tls, words] of cases) {
			for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
				const before = gateway.lines.of("ws.reject").length;
				const { answer } = await attempt(gateway.port, { ...tls, minVersion: version, maxVersion: version });
				expect(answer, name).toBe("");
				await until(() => gateway.lines.of("ws.reject").length > before, { what: `${name}, ${version}: a line` });
				await new Promise((resolve) => setTimeout(resolve, 30));
				const lines = gateway.lines.of("ws.reject").slice(before);
				expect(
					lines.map(({ message }) => message),
					`${name}, ${version}`,
				).toHaveLength(1);
				expect(lines[0], name).toMatchObject({ code: "TLS_FAILED", listener: "mtls", client_ip: "127.0.0.1" });
				expect(lines[0]?.message, `${name}, ${version}`).toMatch(words);
			}
		}
		expect(backend.connections).toHaveLength(0);
		await gateway.expectQuiet();
	});

	it("still knows the client when its TLS session is resumed", async () => {
		const { gateway, svc } = await setUp("require");
		const first = await connectRaw({ port: gateway.port, tls: { ...svc, maxVersion: "TLSv1.2" } });
		const session = (first.socket as TLSSocket).getSession();
		first.end();
		const second = await openRaw(gateway.port, "/", {
			tls: { ...svc, maxVersion: "TLSv1.2", session: session as Buffer },
		});
		expect((second.socket as TLSSocket).isSessionReused()).toBe(true);
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ user: "svc" });
		second.reset();
	});

	it("leaves no line when a load balancer only checks the port", async () => {
		const { gateway } = await setUp("require");
		const probe = await connectRaw({ port: gateway.port });
		probe.end();
		await probe.ended();
		expect(gateway.lines.of("ws.reject")).toHaveLength(0);
	});
});

describe("client_auth: request", () => {
	it("lets clients without a certificate in, without a name, and those with a good one with theirs", async () => {
		const { gateway, backend, svc } = await setUp("request");
		const nameless = await openRaw(gateway.port, "/nameless", { tls: true, headers: FORGED });
		const named = await openRaw(gateway.port, "/named", { tls: svc });
		const [first, second] = backend.connections.map(({ request }) => request);
		for (const name of Object.keys(FORGED)) expect(first?.header(name), name).toBeUndefined();
		expect(second?.header("X-Client-Cert-Subject")).toBe("CN=svc");
		expect(gateway.lines.of("ws.open").map(({ path, user }) => [path, user])).toEqual([
			["/nameless", undefined],
			["/named", "svc"],
		]);
		nameless.reset();
		named.reset();
	});

	it.each(["TLSv1.2", "TLSv1.3"] as const)(
		"refuses a bad certificate, which no client shows by mistake, %s",
		async (version) => {
			const { gateway, backend } = await setUp("request");
			const bad = await certificate(["svc"]);
			const { answer } = await attempt(gateway.port, { ...bad, minVersion: version, maxVersion: version });
			expect(answer).toBe("");
			expect(await gateway.waitForLog("ws.reject")).toMatchObject({ code: "TLS_FAILED" });
			expect(gateway.lines.of("ws.reject")[0]?.message).toMatch(/self-signed/);
			expect(gateway.lines.of("ws.reject").map(({ message }) => message)).toHaveLength(1);
			expect(backend.connections).toHaveLength(0);
			await gateway.expectQuiet();
		},
	);
});

describe("the certificate headers", () => {
	it("cannot be forged on any listener, upgrade or plain HTTP, not even through a trusted proxy", async () => {
		const { gateway, backend } = await setUp("require");
		const client = await openRaw(gateway.portOf("open"), "/", {
			headers: { ...FORGED, "X-Forwarded-For": "192.0.2.1" },
		});
		const { request } = await backend.connection();
		expect(request?.header("x-forwarded-for")).toBe("192.0.2.1, 127.0.0.1");
		for (const name of Object.keys(FORGED)) expect(request?.header(name), name).toBeUndefined();
		client.reset();
		const plain = await connectRaw({ port: gateway.portOf("open") });
		const lines = Object.entries(FORGED).map(([name, value]) => `${name}: ${value}\r\n`);
		plain.write(`GET /x HTTP/1.1\r\nHost: h\r\n${lines.join("")}\r\n`);
		await until(() => backend.connections.length === 2, { what: "the request" });
		const peer = await backend.connection(1);
		await until(() => peer.request, { what: "its head" });
		for (const name of Object.keys(FORGED)) expect(peer.request?.header(name), name).toBeUndefined();
	});

	it("hold for plain HTTP over mTLS too", async () => {
		const { gateway, backend, svc } = await setUp("require");
		const client = await connectRaw({ port: gateway.port, tls: svc });
		client.write("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
		const peer = await backend.connection();
		await until(() => peer.request, { what: "the request" });
		expect(peer.request?.header("X-Client-Cert-Subject")).toBe("CN=svc");
		expect(peer.request?.header("X-Client-Verified")).toBe("SUCCESS");
	});

	it("carry names in letters of any script", async () => {
		const { gateway, backend, ca } = await setUp("require");
		const odd = await certificate(["Müller & Söhne"], { ca });
		const client = await openRaw(gateway.port, "/", { tls: odd });
		const { request } = await backend.connection();
		const subject = Buffer.from(request?.header("X-Client-Cert-Subject") ?? "", "latin1").toString();
		expect(subject).toBe("CN=Müller & Söhne");
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ user: "Müller & Söhne" });
		client.reset();
	});
});

describe("a route that wants a certificate", () => {
	async function start(routes: string) {
		const ca = await certificate(["Test CA"], { isCa: true });
		const files = await temporaryFiles({ "ca.pem": ca.cert });
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startTestGateway(`
			trusted_proxies: [127.0.0.1]
			listeners:
				- { name: mtls, address: "127.0.0.1:0", tls: { self_signed: [localhost], client_ca: "${files["ca.pem"]}", client_auth: request } }
				- { name: open, address: "127.0.0.1:0" }
			upstreams: { b: { endpoints: ["${backend.url}"] } }
			defaults: { timeouts: { close: 1s } }
			routes:
				${routes}
		`);
		const ask = async (path: string, tls?: Certificate, listener = "mtls"): Promise<number> => {
			const client = await connectRaw({ port: gateway.portOf(listener), tls: listener === "mtls" && (tls ?? true) });
			const { status } = await client.handshake(path, { headers: FORGED });
			client.reset();
			return status;
		};
		const of = (name: string) => certificate([name], { ca });
		return { gateway, ask, of };
	}

	it("lets in those whose subject it names, in full or by a pattern, and nobody who only says so", async () => {
		const { gateway, ask, of } = await start(
			`
				- { name: any, match: { path: /any }, upstream: b, auth: { client_certificate: {} } }
				- { name: some, match: { path: /some }, upstream: b, auth: { client_certificate: { subject: [CN=svc, { regex: '^CN=worker-\\d+$' }] } } }
				- { name: optional, match: { path: /optional }, upstream: b, auth: { client_certificate: { required: false, subject: CN=svc } } }
		`.trim(),
		);
		const [svc, worker, other] = [await of("svc"), await of("worker-7"), await of("worker-7x")];
		const outcomes: Record<string, number[]> = {};
		for (const path of ["/any", "/some", "/optional"]) {
			outcomes[path] = [];
			for (const who of [svc, worker, other, undefined]) outcomes[path].push(await ask(path, who));
			outcomes[path].push(await ask(path, undefined, "open"));
		}
		expect(outcomes).toEqual({
			"/any": [101, 101, 101, 403, 403],
			"/some": [101, 101, 403, 403, 403],
			"/optional": [101, 403, 403, 101, 101],
		});
		expect(await gateway.waitForLog((line) => line.code === "CLIENT_CERTIFICATE_DENIED")).toMatchObject({
			message: "the certificate's subject CN=worker-7x is not one of auth.client_certificate.subject",
		});
		expect(await gateway.waitForLog((line) => line.code === "CLIENT_CERTIFICATE_MISSING")).toMatchObject({
			status: 403,
		});
	});

	it("matches on the header that the gateway writes, never on a client's", async () => {
		const { ask, of } = await start(
			`
				- { match: { headers: { X-Client-Verified: SUCCESS, X-Client-Cert-Subject: "CN=Müller" } }, upstream: b, rewrite: { path: /a } }
				- { match: { headers: { X_Client_Verified: SUCCESS } }, upstream: b, deny: [0.0.0.0/0] }
				- { match: { headers: { X-Forwarded-Prefix: { present: false }, X-Real-IP: 127.0.0.1, X-Forwarded-Proto: http } }, upstream: b }
		`.trim(),
		);
		expect(await ask("/", await of("Müller"))).toBe(101);
		expect(await ask("/", await of("svc"))).toBe(403);
		expect(await ask("/", undefined)).toBe(404);
		expect(await ask("/", undefined, "open")).toBe(101);
	});
});

describe("a real client with a certificate", () => {
	it("talks to its backend", async () => {
		const ca = await certificate(["Test CA"], { isCa: true });
		const svc = await certificate(["svc"], { ca });
		const server = await certificate(["localhost", "127.0.0.1"], { ca });
		const files = await temporaryFiles({ "ca.pem": ca.cert, "s.pem": server.cert, "s.key": server.key });
		const backend = await startWsBackend();
		const gateway = await startTestGateway(
			`
			listeners:
				- address: "127.0.0.1:0"
				  tls: { certificates: [{ cert: s.pem, key: s.key }], client_ca: ca.pem, client_auth: require }
			upstreams: { b: { endpoints: ["${backend.url}"] } }
			routes: [{ upstream: b }]
		`,
			{ file: `${files.dir}/routes.yaml` },
		);
		const client = await openWs(gateway.url("/", "wss"), [], { ...svc, ca: ca.cert, rejectUnauthorized: true });
		client.socket.send("hello");
		expect(String(await client.next())).toBe("hello");
		expect(backend.requests[0]?.headers["x-client-cert-subject"]).toBe("CN=svc");
		expect(await readFile(files["ca.pem"], "utf8")).toBe(ca.cert);
	});
});

describe("a backend that wants a certificate", () => {
	async function startTlsBackend(options: TlsOptions): Promise<{ url: string; subjects: string[] }> {
		const subjects: string[] = [];
		const server = createTlsServer({ requestCert: true, rejectUnauthorized: true, ...options }, (socket) => {
			socket.on("error", () => {});
			subjects.push(socket.getPeerX509Certificate()?.subject ?? "");
			socket.once("data", (data: Buffer) => {
				const key = /Sec-WebSocket-Key: (.*)\r/.exec(data.toString())?.[1] ?? "";
				socket.write(switchingProtocols({ header: () => key } as never));
			});
		});
		server.on("tlsClientError", () => {});
		server.listen(0, "127.0.0.1");
		await once(server, "listening");
		onTestFinished(() => void server.close());
		return { url: `wss://127.0.0.1:${(server.address() as AddressInfo).port}`, subjects };
	}

	async function gatewayTo(url: string, tls: string, dir: string): Promise<TestGateway> {
		return startTestGateway(
			`
			listeners: [{ address: "127.0.0.1:0" }]
			upstreams: { b: { endpoints: ["${url}"], tls: ${tls} } }
			routes: [{ upstream: b, retries: { attempts: 1 } }]
		`,
			{ file: `${dir}/routes.yaml` },
		);
	}

	it("gets the gateway's, and the gateway checks the backend's name and authority", async () => {
		const ca = await certificate(["Test CA"], { isCa: true });
		const server = await certificate(["chat.internal"], { ca });
		const gw = await certificate(["gw"], { ca });
		const { dir } = await temporaryFiles({ "ca.pem": ca.cert, "gw.pem": gw.cert, "gw.key": gw.key });
		const backend = await startTlsBackend({ ...server, ca: ca.cert });
		const tls = "{ ca: ca.pem, cert: gw.pem, key: gw.key, server_name: chat.internal }";
		const gateway = await gatewayTo(backend.url, tls, dir);
		const client = await openRaw(gateway.port);
		expect(backend.subjects).toEqual(["CN=gw"]);
		client.reset();
		await gateway.waitForLog("ws.close");
	});

	it.each<[string, string, RegExp]>([
		[
			"refuses a gateway without one",
			"{ ca: ca.pem, server_name: chat.internal }",
			/TLS: the backend broke the handshake off/,
		],
		[
			"refuses one of another authority",
			"{ ca: ca.pem, cert: odd.pem, key: odd.key, server_name: chat.internal }",
			/./,
		],
		["is not trusted with another authority's", "{ ca: other.pem, server_name: chat.internal }", /TLS: .*set tls.ca/],
		[
			"is not trusted under another name",
			"{ ca: ca.pem, cert: gw.pem, key: gw.key }",
			/certificate is for another name; set tls.server_name/,
		],
	])("%s: 502, with words in the log", async (_, tls, words) => {
		const ca = await certificate(["Test CA"], { isCa: true });
		const other = await certificate(["Other CA"], { isCa: true });
		const server = await certificate(["chat.internal"], { ca });
		const gw = await certificate(["gw"], { ca });
		const odd = await certificate(["gw"], { ca: other });
		const { dir } = await temporaryFiles({
			"ca.pem": ca.cert,
			"other.pem": other.cert,
			"gw.pem": gw.cert,
			"gw.key": gw.key,
			"odd.pem": odd.cert,
			"odd.key": odd.key,
		});
		const backend = await startTlsBackend({ ...server, ca: ca.cert });
		const gateway = await gatewayTo(backend.url, tls, dir);
		const client = await connectRaw({ port: gateway.port });
		const head = await client.handshake();
		expect(head.status).toBe(502);
		const line = await gateway.waitForLog("ws.reject");
		await expectRejection(client, head, 502, line.code as string);
		expect(line.message).toMatch(words);
		expect(["CONNECT_FAILED", "BAD_BACKEND_HANDSHAKE"]).toContain(line.code);
	});
});

describe("clawgate check", () => {
	it("finds a route that wants a certificate where no listener asks for one", async () => {
		await expect(
			startTestGateway(`
				listeners: [{ address: "127.0.0.1:0", tls: { self_signed: [a] } }]
				upstreams: { b: { endpoints: ["ws://127.0.0.1:1"] } }
				routes: [{ upstream: b, auth: { client_certificate: {} } }]
			`),
		).rejects.toThrow(/no listener asks for client certificates/);
	});

	it.each([
		["client_auth: require", /needs client_ca: the authorities/],
		['client_ca: "FILE"', /client_ca is no use without client_auth/],
		['client_ca: "/nowhere.pem", client_auth: require', /cannot read \/nowhere.pem: no such file/],
		['client_ca: "KEY", client_auth: require', /there is no certificate in this file/],
	])("finds what is wrong with { %s }", async (tls, words) => {
		const { cert, key } = await certificate(["a"]);
		const files = await temporaryFiles({ cert, key });
		const yaml = tls.replace("FILE", files.cert).replace("KEY", files.key);
		await expect(
			startTestGateway(`
				listeners: [{ address: "127.0.0.1:0", tls: { self_signed: [a], ${yaml} } }]
				upstreams: { b: { endpoints: ["ws://127.0.0.1:1"] } }
				routes: [{ upstream: b }]
			`),
		).rejects.toThrow(words);
	});
});
