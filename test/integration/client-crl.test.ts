/** `client_crl`: a revoked client certificate is refused, also when the list comes later, and by a ticket. */
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { certificate } from "../harness/certs.ts";
import { until } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { startReloadable } from "../harness/reloadable.ts";
import { tlsVisit } from "./client-crl.fixtures.ts";

/** What `openssl ca` needs; `revoked` are certificate files. Writes `crl.pem`. */
function writeCrl(folder: string, revoked: readonly string[]): void {
	const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
	writeFileSync(join(folder, "index.txt"), "");
	writeFileSync(
		join(folder, "ca.cnf"),
		"[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n",
	);
	const authority = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"];
	for (const file of revoked) openssl("ca", ...authority, "-revoke", file);
	openssl("ca", ...authority, "-gencrl", "-out", "crl.new");
	renameSync(join(folder, "crl.new"), join(folder, "crl.pem"));
}

test("a revoked certificate is refused; a new list counts for connections to come and for tickets", async () => {
	const backend = await startRawBackend(echoingFrames());
	const ca = await certificate(["Test CA"], { isCa: true });
	const [good, bad] = [await certificate(["good"], { ca }), await certificate(["bad"], { ca })];
	const gateway = await startReloadable(
		`
		listeners:
		  - address: "127.0.0.1:0"
		    tls: { self_signed: [localhost], client_ca: ca.pem, client_auth: require }
		    client_crl: [crl.pem]
		upstreams: { b: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: b }]
	`,
		(folder) => {
			for (const [name, text] of Object.entries({ "ca.pem": ca.cert, "ca.key": ca.key, "bad.pem": bad.cert })) {
				writeFileSync(join(folder, name), text);
			}
			writeCrl(folder, []);
		},
	);
	for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
		expect((await tlsVisit(gateway.port, { ...good, version })).status).toContain("101");
		expect((await tlsVisit(gateway.port, { ...bad, version })).status).toContain("101");
	}
	const { session } = await tlsVisit(gateway.port, { ...bad, version: "TLSv1.3" });
	writeCrl(gateway.folder, ["bad.pem"]);
	await gateway.lines.waitFor("config.reload");
	for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
		expect((await tlsVisit(gateway.port, { ...good, version })).status).toContain("101");
		expect((await tlsVisit(gateway.port, { ...bad, version })).status).toBe("");
	}
	expect((await tlsVisit(gateway.port, { ...bad, version: "TLSv1.3", session })).status).toBe("");
	await until(() => gateway.lines.records.filter(({ code }) => code === "TLS_FAILED").length === 3, {
		what: "a line for each refusal",
	});
	expect(gateway.lines.records.find(({ code }) => code === "TLS_FAILED")?.message).toMatch(/revoked/i);
	expect(readFileSync(join(gateway.folder, "crl.pem"), "utf8")).toContain("X509 CRL");
});

test("the socket of a unix listener has the mode that was asked for, 0660 otherwise, and takes another on reload", async () => {
	const backend = await startRawBackend(echoingFrames());
	const yaml = (folder: string, mode: string) => `
		listeners: [{ name: main, address: "127.0.0.1:0" }, { name: unix, address: "unix:${folder}/gateway.sock"${mode} }]
		upstreams: { b: { endpoints: ["${backend.url}"] } }
		routes: [{ match: { path_prefix: / }, upstream: b }]
	`;
	let folder = "";
	const gateway = await startReloadable(yaml("/tmp", "").replace(/, \{ name: unix.*\}\]/, "]"), (made) => {
		folder = made;
	});
	const mode = () => statSync(join(folder, "gateway.sock")).mode & 0o777;
	await gateway.change(yaml(folder, ""));
	expect(mode()).toBe(0o660);
	await gateway.change(yaml(folder, ', socket_mode: "0600"'));
	await until(() => mode() === 0o600, { what: "the new mode" });
	await gateway.change(yaml(folder, ', socket_mode: "666", tls: { self_signed: [localhost] }'));
	await until(() => mode() === 0o666, { what: "the next mode" });
});
