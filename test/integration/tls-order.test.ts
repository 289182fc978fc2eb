/** What is chosen where client and listener have several things in common. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions, SecureVersion } from "node:tls";
import { connect } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Certificate, certificate } from "../harness/certs.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { visit } from "../harness/tls-visit.ts";

const VERSIONS: readonly SecureVersion[] = ["TLSv1.2", "TLSv1.3"];
const NODE = Number.parseInt(process.versions.node, 10);
const RSA_ONLY = "rsa_pss_rsae_sha256:RSA+SHA256";

/** A gateway that serves these certificates, in this order. */
async function serve(...pairs: readonly Certificate[]): Promise<TestGateway> {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-test-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	const certificates = pairs.map(({ cert, key }, index) => {
		writeFileSync(join(folder, `${index}.pem`), cert);
		writeFileSync(join(folder, `${index}.key`), key);
		return `{ cert: ${index}.pem, key: ${index}.key }`;
	});
	return startTestGateway(
		`
		listeners: [{ address: "127.0.0.1:0", tls: { certificates: [${certificates.join(", ")}] } }]
		upstreams: { b: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ upstream: b, http: reject }]
	`,
		{ file: join(folder, "routes.yaml") },
	);
}

/** The kind of key and the name that a client is shown. */
async function shown(gateway: TestGateway, options: ConnectionOptions & { version?: SecureVersion }): Promise<string> {
	const { certificate: peer } = await visit(gateway.port, options);
	return `${peer.asn1Curve ? "ecdsa" : "rsa"} ${peer.subject.CN}`;
}

describe.each(VERSIONS)("an RSA and an ECDSA certificate for a name, %s", (version) => {
	it("are served together: ECDSA to whom can, RSA to the others, in whatever order they stand", async () => {
		const rsa = await certificate(["a.test"], { keyType: "rsa" });
		const ecdsa = await certificate(["a.test"]);
		for (const pairs of [
			[rsa, ecdsa],
			[ecdsa, rsa],
		] as const) {
			const gateway = await serve(...pairs);
			for (const servername of ["", "a.test", "unknown.test"]) {
				expect(await shown(gateway, { version, servername }), servername).toBe("ecdsa a.test");
				expect(await shown(gateway, { version, servername, sigalgs: RSA_ONLY }), servername).toBe("rsa a.test");
			}
		}
	});

	it("are found for each name, a wildcard's where there is none of this kind for the name itself", async () => {
		const gateway = await serve(
			await certificate(["first.test"], { keyType: "rsa" }),
			await certificate(["*.w.test"], { keyType: "rsa" }),
			await certificate(["x.w.test"]),
		);
		// Where Node leaves room for one only, TLS 1.2 gets the one that all clients understand.
		const first = version === "TLSv1.2" && NODE >= 24 ? "rsa *.w.test" : "ecdsa x.w.test";
		expect(await shown(gateway, { version, servername: "x.w.test" })).toBe(first);
		expect(await shown(gateway, { version, servername: "x.w.test", sigalgs: RSA_ONLY })).toBe("rsa *.w.test");
		expect(await shown(gateway, { version, servername: "y.w.test" })).toBe("rsa *.w.test");
		expect(await shown(gateway, { version, servername: "first.test" })).toBe("rsa first.test");
		expect(await shown(gateway, { version, servername: "w.test" })).toBe("rsa first.test");
	});

	it("leave the choice to OpenSSL for the first name: a client may have RSA ciphers only", async () => {
		const gateway = await serve(await certificate(["a.test"], { keyType: "rsa" }), await certificate(["a.test"]));
		const ciphers = version === "TLSv1.2" ? "ECDHE-RSA-AES128-GCM-SHA256" : "TLS_AES_128_GCM_SHA256";
		const kind = version === "TLSv1.2" ? "rsa" : "ecdsa";
		expect(await shown(gateway, { version, servername: "a.test", ciphers })).toBe(`${kind} a.test`);
	});

	it("do not stand in the way of another name's only one", async () => {
		const ecdsa = await certificate(["first.test"]);
		const rsa = await certificate(["second.test"], { keyType: "rsa" });
		const third = await certificate(["third.test"]);
		const gateway = await serve(ecdsa, rsa, third);
		expect(await shown(gateway, { version, servername: "first.test" })).toBe("ecdsa first.test");
		expect(await shown(gateway, { version, servername: "second.test" })).toBe("rsa second.test");
		expect(await shown(gateway, { version, servername: "third.test" })).toBe("ecdsa third.test");
		expect(await shown(gateway, { version, servername: "unknown.test" })).toBe("ecdsa first.test");
		// Node cannot be asked here; the other names would get the wrong certificate otherwise.
		expect(await shown(gateway, { version, servername: "" })).toBe("rsa second.test");
	});

	it("come each with its own intermediate certificates", async () => {
		const pairs = await Promise.all(
			(["rsa", "ec"] as const).map(async (keyType) => {
				const root = await certificate([`root ${keyType}`], { isCa: true, keyType });
				const middle = await certificate([`middle ${keyType}`], { isCa: true, keyType, ca: root });
				const leaf = await certificate(["a.test"], { keyType, ca: middle });
				return { root, served: { cert: `${leaf.cert}\n${middle.cert}`, key: leaf.key } };
			}),
		);
		const gateway = await serve(...pairs.map(({ served }) => served));
		const trusting = { version, servername: "a.test", rejectUnauthorized: true };
		for (const [sigalgs, ca] of [
			[RSA_ONLY, pairs[0]?.root.cert],
			["ECDSA+SHA256", pairs[1]?.root.cert],
		]) {
			// The root may be signed with the other kind's hash: only the leaf's signature is what the test is about.
			const { head } = await visit(gateway.port, { ...trusting, sigalgs: sigalgs as string, ca: ca as string });
			expect(head).toMatch(/^HTTP\/1\.1 426 /);
		}
	});
});

describe("ciphers and curves", () => {
	it.each<[string, ConnectionOptions & { version: SecureVersion }, string]>([
		["AES-128 in TLS 1.3, whatever the client likes better", { version: "TLSv1.3" }, "TLS_AES_128_GCM_SHA256"],
		[
			"ChaCha20 for a client without AES in hardware, which puts it first, TLS 1.3",
			{ version: "TLSv1.3", ciphers: "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256" },
			"TLS_CHACHA20_POLY1305_SHA256",
		],
		["ECDSA with AES-128 in TLS 1.2", { version: "TLSv1.2" }, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
		[
			"ChaCha20 for a client that puts it first, TLS 1.2",
			{ version: "TLSv1.2", ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256" },
			"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		],
		[
			"something older for clients that have nothing else",
			{ version: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" },
			"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
		],
	])("%s", async (_, options, cipher) => {
		const gateway = await serve(await certificate(["a.test"]));
		expect((await visit(gateway.port, options)).cipher).toBe(cipher);
	});

	it("X25519 for clients that have it, other curves for the others", async () => {
		const gateway = await serve(await certificate(["a.test"]));
		for (const [maxVersion, ecdhCurve, name] of [
			["TLSv1.3", "X25519:P-256", "X25519"],
			["TLSv1.3", "P-256", "prime256v1"],
			["TLSv1.2", "P-256:X25519", "X25519"],
			["TLSv1.2", "P-256", "prime256v1"],
		] as const) {
			const target = { port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false };
			const socket = connect({ ...target, ecdhCurve, maxVersion });
			onTestFinished(() => void socket.destroy());
			await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
			expect(socket.getEphemeralKeyInfo()).toMatchObject({ name });
		}
	});
});
