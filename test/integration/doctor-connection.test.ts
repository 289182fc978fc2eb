/** `clawgate doctor` against broken names, ports and certificates. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { connect, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import type { Examination } from "../../src/doctor/examination.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { Address } from "../../src/doctor/system-lookup.ts";
import { type Certificate, certificate, temporaryFiles } from "../harness/certs.ts";
import { startNode } from "../harness/child.ts";
import { until, within } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { startWsBackend } from "../harness/ws-backend.ts";
import { diagnose, expectHealthy, expectProblem, run } from "./doctor.fixtures.ts";

const DAY = 86_400_000;

async function authority(): Promise<Certificate & { file: string }> {
	const ca = await certificate(["Test authority"], { isCa: true });
	return { ...ca, file: (await temporaryFiles({ "ca.pem": ca.cert }))["ca.pem"] };
}

/** A TLS server that echoes frames. */
function secureBackend(tls: { cert: string; key: string }) {
	return startRawBackend(echoingFrames(), { tls });
}

/** A bare TLS server with any options, which says nothing. */
async function tlsServer(options: TlsOptions): Promise<number> {
	const server = createTlsServer(options, (socket) => socket.on("error", () => {}));
	server.on("tlsClientError", () => {});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => void server.close());
	return (server.address() as AddressInfo).port;
}

test("a URL without scheme, with a wrong one, and one that is none", async () => {
	await expectProblem("chat.example.com/ws", "url-no-scheme");
	await expectProblem("localhost:8080", "url-no-scheme");
	await expectProblem("ftp://chat.example.com/ws", "url-scheme");
	await expectProblem("ws://127.0.0.1:99999/", "url-syntax");
	await expectProblem("ws://127.0.0.1:0/", "url-syntax");
});

test("remarks about a URL that works: http scheme, fragment, password", async () => {
	const { port, requests } = await startWsBackend();
	const { warnings, code, text } = await diagnose(`http://user:s3cretpw@127.0.0.1:${port}/a#b`);
	expect({ warnings, code }).toEqual({ warnings: ["url-http-scheme", "url-fragment", "url-credentials"], code: 0 });
	expect(requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("user:s3cretpw").toString("base64")}`);
	expect(text).not.toContain("s3cretpw");
	expect(text).not.toContain(Buffer.from("user:s3cretpw").toString("base64"));
});

test("a host that does not exist", async () => {
	// A label of 64 characters cannot exist: the resolver says so without asking anybody.
	const diagnosis = await expectProblem(`ws://${"a".repeat(64)}.test/`, "dns-not-found");
	expect(diagnosis.step("dns").seen).toContain("ENOTFOUND");
});

test("a host without an address of the wanted family", async () => {
	await expectProblem("ws://127.0.0.1/", "dns-no-family", ["-6"]);
});

test("--resolve connects elsewhere and keeps the name", async () => {
	const { port, requests } = await startWsBackend();
	for (const address of ["127.0.0.1", `no-such-host.test:${port}:127.0.0.1`]) {
		const diagnosis = await expectHealthy(`ws://no-such-host.test:${port}/`, ["--resolve", address]);
		expect(diagnosis.step("dns").seen).toContain("127.0.0.1");
	}
	expect(requests[0]?.headers.host).toBe(`no-such-host.test:${port}`);
});

test("a name is looked up as every client does", async () => {
	const { port } = await startWsBackend();
	const { code, step } = await diagnose(`ws://localhost:${port}/`);
	expect(code).toBe(0);
	expect(step("dns").seen).toContain("127.0.0.1");
});

test("a host of which one address accepts and another does not", async () => {
	const { port } = await startWsBackend();
	const examination: Examination = {
		...{ url: `ws://two.test:${port}/`, headers: [], subprotocols: [], insecure: false, timeout: 3_000, family: 0 },
		...{ origin: undefined, hold: undefined, pingEvery: undefined, resolve: undefined },
		...{ ca: undefined, cert: undefined, key: undefined },
	};
	const addresses: Address[] = [
		{ address: "::1", family: 6 },
		{ address: "127.0.0.1", family: 4 },
	];
	const surroundings = {
		lookup: async () => ({ addresses, error: undefined, timedOut: false }),
		now: () => performance.now(),
		epoch: () => Date.now(),
		randomBytes,
	};
	const { healthy, steps } = await examine(examination, surroundings, { onStep: () => {}, onHold: () => {} });
	const tcp = steps.find(({ id }) => id === "tcp");
	expect({ healthy, causes: tcp?.findings.map(({ cause }) => cause) }).toEqual({
		healthy: true,
		causes: ["tcp-some-addresses"],
	});
	expect(tcp?.seen).toMatch(/^\[::1\]:\d+ (?:refuses|no .*); 127\.0\.0\.1:\d+ accepts/);
});

test("a port that nobody listens on", async () => {
	const diagnosis = await expectProblem(`ws://127.0.0.1:${await closedPort()}/`, "tcp-refused");
	expect(diagnosis.step("tcp").seen).toMatch(/refuses/);
});

test.runIf(process.platform === "linux")("a host that drops packets", async () => {
	// A process that is stopped, with a full accept queue: the kernel drops further SYNs.
	const code = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })`;
	const child = startNode(["-e", code]);
	const port = Number(await until(() => child.stdout().trim(), { what: "the child's port" }));
	child.kill("SIGSTOP");
	const fillers: Socket[] = [];
	onTestFinished(() => {
		for (const filler of fillers) filler.destroy();
	});
	await until(
		async () => {
			const filler = connect(port, "127.0.0.1");
			filler.on("error", () => {});
			fillers.push(filler);
			const connected = within(once(filler, "connect"), { timeout: 200, what: "a connect" });
			return await connected.then(
				() => false,
				() => true,
			);
		},
		{ timeout: 10_000, what: "a full accept queue" },
	);
	const diagnosis = await expectProblem(`ws://127.0.0.1:${port}/`, "tcp-timeout", ["--timeout", "300ms"]);
	expect(diagnosis.step("tcp").seen).toContain("does not answer within 300 ms");
});

test("an expired certificate", async () => {
	const ca = await authority();
	const pair = await certificate(["127.0.0.1"], {
		ca,
		notBefore: new Date(Date.now() - 100 * DAY),
		notAfter: new Date(Date.now() - 3.5 * DAY),
	});
	const { url } = await secureBackend(pair);
	const diagnosis = await expectProblem(url, "cert-expired", ["--ca", ca.file]);
	expect(diagnosis.step("tls").seen).toContain("3 days ago");
});

test("a certificate that is not valid yet", async () => {
	const ca = await authority();
	const pair = await certificate(["127.0.0.1"], {
		ca,
		notBefore: new Date(Date.now() + 2 * DAY),
		notAfter: new Date(Date.now() + 90 * DAY),
	});
	await expectProblem((await secureBackend(pair)).url, "cert-not-yet-valid", ["--ca", ca.file]);
});

test("a certificate that expires soon is a warning", async () => {
	const ca = await authority();
	const pair = await certificate(["127.0.0.1"], {
		ca,
		notBefore: new Date(Date.now() - 85 * DAY),
		notAfter: new Date(Date.now() + 5.5 * DAY),
	});
	const { code, warnings, step } = await diagnose((await secureBackend(pair)).url, ["--ca", ca.file]);
	expect({ code, warnings }).toEqual({ code: 0, warnings: ["cert-expires-soon"] });
	expect(step("tls").seen).toContain("5 days left");
});

test("a certificate for another name", async () => {
	const ca = await authority();
	const { url } = await secureBackend(await certificate(["chat.example.com", "www.example.com"], { ca }));
	const diagnosis = await expectProblem(url, "cert-wrong-name", ["--ca", ca.file]);
	expect(diagnosis.step("tls").advice.join()).toContain("chat.example.com, www.example.com");
});

test("a self-signed certificate, and one that is for another name besides", async () => {
	await expectProblem((await secureBackend(await certificate(["127.0.0.1"]))).url, "cert-self-signed");
	const { url } = await secureBackend(await certificate(["elsewhere.test"]));
	await expectProblem(url, ["cert-wrong-name", "cert-self-signed"]);
});

test("a missing intermediate certificate", async () => {
	const ca = await authority();
	const intermediate = await certificate(["Test intermediate"], { ca, isCa: true });
	const leaf = await certificate(["127.0.0.1"], { ca: intermediate });
	const { url } = await secureBackend(leaf);
	await expectProblem(url, "cert-missing-intermediate", ["--ca", ca.file]);

	const whole = await secureBackend({ cert: `${leaf.cert}\n${intermediate.cert}`, key: leaf.key });
	await expectHealthy(whole.url, ["--ca", ca.file]);
	await expectProblem(whole.url, "cert-unknown-authority");
});

test("--insecure goes on, and keeps the certificate's problems as warnings", async () => {
	const { url } = await secureBackend(await certificate(["elsewhere.test"]));
	const { code, warnings, steps } = await diagnose(url, ["--insecure"]);
	expect({ code, warnings }).toEqual({ code: 0, warnings: ["cert-wrong-name", "cert-self-signed"] });
	expect(steps.at(-1)).toMatchObject({ id: "close", status: "ok" });
});

test("nothing is sent to a server whose certificate is not good", async () => {
	const backend = await secureBackend(await certificate(["127.0.0.1"]));
	await expectProblem(backend.url, "cert-self-signed", ["-H", "Authorization: Bearer secret"]);
	expect((await backend.connection()).all.length).toBe(0);
});

test("TLS to a port that does not speak it", async () => {
	const { port } = await startWsBackend();
	await expectProblem(`wss://127.0.0.1:${port}/`, "tls-to-plain");
});

test("TLS to a plain server that says nothing about it", async () => {
	const { port } = await startRawBackend(async (peer, index) => {
		if (index === 0) return;
		await peer.readHead();
		peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	});
	await expectProblem(`wss://127.0.0.1:${port}/`, "tls-to-plain", ["--timeout", "500ms"]);
});

test("plain to a port that speaks TLS", async () => {
	const pair = await certificate(["127.0.0.1"]);
	const backend = await secureBackend(pair);
	await expectProblem(`ws://127.0.0.1:${backend.port}/`, "plain-to-tls");
	const node = await tlsServer(pair);
	await expectProblem(`ws://127.0.0.1:${node}/`, "plain-to-tls");
});

test("a server that takes HTTP/2 only, in TLS and without", async () => {
	const ca = await authority();
	const pair = await certificate(["127.0.0.1"], { ca });
	const port = await tlsServer({ ...pair, ALPNProtocols: ["h2"] });
	await expectProblem(`wss://127.0.0.1:${port}/`, "tls-http2-only", ["--ca", ca.file]);

	const server = createSecureServer(pair);
	server.on("sessionError", () => {});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	onTestFinished(() => void server.close());
	const { problems } = await diagnose(`wss://127.0.0.1:${(server.address() as AddressInfo).port}/`, ["--ca", ca.file]);
	expect(["tls-http2-only", "http2-only"]).toContain(problems[0]);

	const settings = Buffer.from("000000040000000000", "hex");
	const clear = await startRawBackend((peer) => peer.write(settings));
	await expectProblem(clear.url, "http2-only");
});

test("a server that speaks TLS 1.1 at most", async () => {
	const pair = await certificate(["127.0.0.1"]);
	const options = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
	await expectProblem(`wss://127.0.0.1:${await tlsServer({ ...pair, ...options })}/`, "tls-version");
});

test("a server that wants a client certificate", async () => {
	const ca = await authority();
	const pair = await certificate(["127.0.0.1"], { ca });
	const port = await tlsServer({ ...pair, ca: ca.cert, requestCert: true, rejectUnauthorized: true });
	const { problems } = await diagnose(`wss://127.0.0.1:${port}/`, ["--ca", ca.file]);
	// Node's own server says nothing at all; OpenSSL's others send the alert.
	expect(["closed-without-answer", "reset-without-answer", "client-certificate"]).toContain(problems[0]);

	const mine = await temporaryFiles({ "a.pem": pair.cert, "a.key": pair.key });
	const echoing = await startRawBackend(echoingFrames(), { tls: { ...pair, ca: ca.cert } });
	await expectHealthy(echoing.url, ["--ca", ca.file, "--cert", mine["a.pem"], "--key", mine["a.key"]]);
});

test("a port that closes, and one that stays silent, during the TLS handshake", async () => {
	const closing = await startRawBackend(async (peer) => {
		await peer.read(1);
		peer.reset();
	});
	await expectProblem(`wss://127.0.0.1:${closing.port}/`, "tls-closed");
	const silent = await startRawBackend(() => {});
	await expectProblem(`wss://127.0.0.1:${silent.port}/`, "tls-timeout", ["--timeout", "300ms"]);
});

test("wrong arguments are told and end with 2, without repeating what may be secret", async () => {
	const cases: [string[], RegExp][] = [
		[[], /a URL is needed/],
		[["ws://a", "ws://b"], /one URL at a time/],
		[["--nope", "ws://a"], /--nope/],
		[["--timeout", "5", "ws://a"], /--timeout takes a duration/],
		[["--hold", "0s", "ws://a"], /--hold takes a duration/],
		[["--ping-every", "1s", "ws://a"], /needs --hold/],
		[["-4", "-6", "ws://a"], /exclude each other/],
		[["-H", "Sesame geheim", "ws://a"], /a header is written/],
		[["-H", "X: geheim\r\nY: b", "ws://a"], /a header is written/],
		[["-H", "Upgrade: geheim", "ws://a"], /Upgrade is the doctor's own/],
		[["-H", "Sec-WebSocket-Protocol: geheim", "ws://a"], /use --subprotocol/],
		[["--subprotocol", "a, b", "ws://a"], /one name at a time/],
		[["--resolve", "example.com", "ws://a"], /--resolve takes an address/],
		[["--ca", "none.pem", "ws://a"], /none\.pem cannot be read \(ENOENT\)/],
		[["--cert", "a.pem", "ws://a"], /belong together/],
	];
	for (const [args, message] of cases) {
		const { code, out, err } = await run(args);
		expect({ code, out }, args.join(" ")).toEqual({ code: 2, out: "" });
		expect(err).toMatch(message);
		expect(err).not.toContain("geheim");
	}
	const { dir } = await temporaryFiles({ "bad.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" });
	const { code, err } = await run(["--cert", "bad.pem", "--key", "bad.pem", "ws://a"], dir);
	expect(code).toBe(2);
	expect(err).toContain("cannot be used");
});
