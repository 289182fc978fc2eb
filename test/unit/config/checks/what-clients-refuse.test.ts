import { chmod } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { type CertificateOptions, certificate, temporaryFiles } from "../../../harness/certs.ts";
import { problemLines } from "../problem-lines.ts";

const DAY = 24 * 3_600_000;

function yaml(listener: string, upstream = "", top = ""): string {
	return `${top}
listeners: [{ address: ":8443"${listener} }]
upstreams: { chat: { endpoints: ["ws://127.0.0.1:7001"]${upstream} } }
routes: [{ match: { path_prefix: / }, upstream: chat }]
`;
}

async function withCertificate(options: CertificateOptions): Promise<string[]> {
	const { cert, key } = await certificate(["a.test"], options);
	const files = await temporaryFiles({ "a.pem": cert, "a.key": key });
	await chmod(files["a.key"], 0o600);
	return problemLines(yaml(`, tls: { certificates: [{ cert: "${files["a.pem"]}", key: "${files["a.key"]}" }] }`));
}

describe("a certificate", () => {
	it("that has expired is a warning", async () => {
		const problems = await withCertificate({ notBefore: new Date("2020-01-01"), notAfter: new Date("2021-01-01") });
		expect(problems).toHaveLength(1);
		expect(problems[0]).toMatch(
			/^2:\d+: listeners\[0\]\.tls\.certificates\[0\]\.cert: warning: the certificate expired on 2021-01-01/,
		);
	});

	it("that expires within 14 days is a warning, one that lives longer is not", async () => {
		const soon = await withCertificate({ notAfter: new Date(Date.now() + 13 * DAY) });
		expect(soon.join()).toMatch(/warning: the certificate expires on \d{4}-\d\d-\d\d, within 14 days/);
		expect(await withCertificate({ notAfter: new Date(Date.now() + 15 * DAY) })).toEqual([]);
	});

	it("that is not valid yet is a warning", async () => {
		const problems = await withCertificate({ notBefore: new Date(Date.now() + DAY) });
		expect(problems.join()).toContain("warning: the certificate is valid from");
	});
});

describe("a file that decides who gets in", () => {
	it("is a warning when everybody can change it, and a private key also when everybody can read it", async () => {
		const { cert, key } = await certificate(["a.test"]);
		const files = await temporaryFiles({ "a.pem": cert, "a.key": key, keys: "" });
		const problems = () =>
			problemLines(
				yaml(`, tls: { certificates: [{ cert: "${files["a.pem"]}", key: "${files["a.key"]}" }] }`).replace(
					"upstream: chat }",
					`upstream: chat, auth: { api_key: { keys_file: "${files.keys}" } } }`,
				),
			);
		await chmod(files["a.key"], 0o640);
		await chmod(files.keys, 0o644);
		expect(problems()).toEqual([]);
		await chmod(files["a.key"], 0o644);
		await chmod(files.keys, 0o646);
		expect(problems()).toEqual([
			expect.stringMatching(/certificates\[0\]\.key: warning: every user of this machine can read this private key/),
			expect.stringMatching(/api_key\.keys_file: warning: every user of this machine can change this file/),
		]);
	});
});

describe("a sticky cookie that browsers take over HTTPS only", () => {
	const PLAIN =
		/upstreams\.chat\.sticky\.cookie\.(same_site|partitioned): warning: browsers take this cookie over HTTPS/;

	it("is a warning when nothing says that there is HTTPS", () => {
		for (const option of ["same_site: none", "partitioned: true"]) {
			const sticky = `, sticky: { cookie: { ${option} } }`;
			expect(problemLines(yaml("", sticky))).toEqual([expect.stringMatching(PLAIN)]);
			expect(problemLines(yaml("", sticky, "trusted_proxies: [10.0.0.1]"))).toEqual([]);
			expect(problemLines(yaml(", tls: { self_signed: [localhost] }", sticky))).toEqual([]);
		}
		expect(problemLines(yaml("", ", sticky: { cookie: { same_site: lax } }"))).toEqual([]);
	});
});

describe("keys of a listener that need others", () => {
	it("are reported without them", async () => {
		const files = await temporaryFiles({ "crl.pem": "nothing" });
		expect(problemLines(yaml(', socket_mode: "0660"'))).toEqual([
			expect.stringMatching(/socket_mode: warning: has no effect/),
		]);
		expect(problemLines(yaml(`, client_crl: "${files["crl.pem"]}"`))).toEqual([
			expect.stringMatching(/client_crl: client_crl is no use without tls\.client_ca/),
			expect.stringMatching(/client_crl: there is no list of revoked certificates in this file/),
		]);
		expect(problemLines(yaml(", socket_mode: 0660")).join()).toContain("expected the mode of a file in quotes");
	});
});
