/** TLS sessions are resumed by tickets: as long as it is safe, and no longer. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecureVersion } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { newTicketSecret, TicketKeys } from "../../src/server/ticket-keys.ts";
import { type Certificate, certificate } from "../harness/certs.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { until, within } from "../harness/poll.ts";
import { echoingFrames, startRawBackend } from "../harness/raw-backend.ts";
import { openRaw } from "../harness/raw-client.ts";
import { type ReloadableGateway, startReloadable } from "../harness/reloadable.ts";
import { visit } from "../harness/tls-visit.ts";

const VERSIONS: readonly SecureVersion[] = ["TLSv1.2", "TLSv1.3"];
/** What a client can ask for: no name, the first certificate's, another one's. */
const NAMES = ["", "a.test", "b.test"];
const CASES = VERSIONS.flatMap((version) => NAMES.map((servername) => ({ version, servername })));

/** A listener with two certificates, `a` and `b`; `more` goes into its `tls`, `route` into the only route. */
function yaml(more = "", route = ""): string {
	return `
		listeners:
			- name: secure
			  address: "127.0.0.1:0"
			  tls: { certificates: [{ cert: a.pem, key: a.key }, { cert: b.pem, key: b.key }]${more} }
		upstreams: { b: { endpoints: ["ws://127.0.0.1:9"] } }
		routes: [{ upstream: b, http: reject${route} }]
	`;
}

function write(folder: string, name: string, { cert, key }: Certificate): void {
	writeFileSync(join(folder, `${name}.pem`), cert);
	writeFileSync(join(folder, `${name}.key`), key);
}

async function startWith(text: string, others: Record<string, Certificate> = {}): Promise<ReloadableGateway> {
	const all = { a: await certificate(["a.test"]), b: await certificate(["b.test"]), ...others };
	return startReloadable(text, (folder) => {
		for (const [name, pair] of Object.entries(all)) write(folder, name, pair);
	});
}

/** A folder with the certificates, for gateways that do not reload. */
async function folderOfCertificates(): Promise<string> {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-test-"));
	onTestFinished(() => rmSync(folder, { recursive: true }));
	for (const name of ["a", "b"]) write(folder, name, await certificate([`${name}.test`]));
	return folder;
}

describe("a client that comes back", () => {
	it.each(CASES)("resumes its session every time: $version, name '$servername'", async (client) => {
		const gateway = await startWith(yaml());
		let last = await visit(gateway.port, client);
		expect(last.resumed).toBe(false);
		expect(last.head).toMatch(/^HTTP\/1\.1 426 /);
		for (let times = 0; times < 3; times++) {
			last = await visit(gateway.port, { ...client, session: last.session });
			expect(last.resumed).toBe(true);
			expect(last.head).toMatch(/^HTTP\/1\.1 426 /);
		}
	});

	it.each(CASES)("resumes it after reloads, $version, name '$servername'", async (client) => {
		const gateway = await startWith(yaml());
		const { session } = await visit(gateway.port, client);
		await gateway.change(yaml("", ", timeouts: { idle: 5m }"));
		expect(gateway.lines.of("config.reload")).toHaveLength(1);
		expect((await visit(gateway.port, { ...client, session })).resumed).toBe(true);
		for (const name of ["a", "b"]) write(gateway.folder, name, await certificate([`${name}.test`]));
		await gateway.handle.reload("api");
		await until(() => gateway.lines.of("config.reload").length > 1, { what: "new certificates" });
		expect((await visit(gateway.port, { ...client, session })).resumed).toBe(true);
	});

	it.each(["-tls1_2", "-tls1_3"])("is resumed when it is openssl s_client, %s", async (version) => {
		const gateway = await startWith(yaml());
		const file = join(gateway.folder, "session.pem");
		const server = ["s_client", "-connect", `127.0.0.1:${gateway.port}`, "-servername", "b.test", version];
		const first = await openssl([...server, "-sess_out", file], gateway.port);
		expect(first).toMatch(/^New, /m);
		const second = await openssl([...server, "-sess_in", file], gateway.port);
		expect(second).toMatch(/^Reused, /m);
		if (version === "-tls1_3") return;
		// One handshake and five more with its session; TLS 1.3 tickets come too late for it.
		const many = await openssl([...server, "-reconnect"], gateway.port);
		expect(many.match(/^Reused, /gm)).toHaveLength(5);
	});
});

/** Runs `openssl`, asks for a page once TLS stands, and gives what it printed. */
async function openssl(args: readonly string[], port: number): Promise<string> {
	const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] });
	onTestFinished(() => void child.kill("SIGKILL"));
	let printed = "";
	child.stdout.setEncoding("utf8").on("data", (text: string) => {
		printed += text;
	});
	child.stderr.resume();
	child.stdin.on("error", () => {});
	child.stdin.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
	await within(once(child, "close"), { what: `openssl ${args.join(" ")}` });
	return printed;
}

describe.each(VERSIONS)("a session that a certificate began, %s", (version) => {
	const mutual = ", client_ca: ca.pem, client_auth: require";

	it("still tells who it is", async () => {
		const ca = await certificate(["CA"], { isCa: true });
		const svc = await certificate(["svc"], { ca });
		const folder = await folderOfCertificates();
		write(folder, "ca", ca);
		const backend = await startRawBackend(echoingFrames());
		const gateway = await startTestGateway(yaml(mutual).replace("ws://127.0.0.1:9", backend.url), {
			file: join(folder, "routes.yaml"),
		});
		const tls = { ...svc, servername: "b.test", minVersion: version, maxVersion: version } as const;
		const { session } = await visit(gateway.port, tls);
		// Without the certificate: the ticket alone says who it is.
		const { cert, key, ...bare } = tls;
		expect(await visit(gateway.port, { ...bare, session })).toMatchObject({ resumed: true });
		const client = await openRaw(gateway.port, "/", { tls: { ...tls, session } });
		expect(await gateway.waitForLog("ws.open")).toMatchObject({ user: "svc" });
		const { request } = await backend.connection();
		expect(request?.header("X-Client-Cert-Subject")).toBe("CN=svc");
		client.reset();
	});

	it("does not let a client back in whose authority was removed", async () => {
		const [removed, other] = [
			await certificate(["CA"], { isCa: true }),
			await certificate(["Other CA"], { isCa: true }),
		];
		const svc = await certificate(["svc"], { ca: removed });
		const gateway = await startWith(yaml(mutual), { ca: removed });
		const client = { ...svc, version, servername: "b.test" };
		const { session } = await visit(gateway.port, client);
		expect((await visit(gateway.port, { ...client, session })).resumed).toBe(true);
		write(gateway.folder, "ca", other);
		await gateway.handle.reload("api");
		await until(() => gateway.lines.of("config.reload").length > 0, { what: "the new authority" });
		await expect(visit(gateway.port, { ...client, session })).rejects.toThrow();
		await until(() => gateway.lines.of("ws.reject").length > 0, { what: "a line about it" });
		expect(gateway.lines.of("ws.reject")[0]?.message).toMatch(/an authority that client_ca does not have/);
	});

	it("is not worth more than it proved: a client without certificate stays out once one is required", async () => {
		const ca = await certificate(["CA"], { isCa: true });
		const gateway = await startReloadable(yaml(", client_ca: ca.pem, client_auth: request"), (folder) => {
			write(folder, "ca", ca);
			write(folder, "a", ca);
			write(folder, "b", ca);
		});
		const { session } = await visit(gateway.port, { version });
		expect((await visit(gateway.port, { version, session })).resumed).toBe(true);
		await gateway.change(yaml(mutual));
		const port = Object.values(gateway.handle.ports)[0] as number;
		await expect(visit(port, { version, session })).rejects.toThrow();
		await until(() => gateway.lines.of("ws.reject").length > 0, { what: "a line about it" });
		expect(gateway.lines.of("ws.reject")[0]?.message).toMatch(/showed no certificate/);
	});

	it("ends with the certificate: nobody comes back by a ticket after it has expired", async () => {
		const ca = await certificate(["CA"], { isCa: true });
		const notAfter = new Date(Date.now() + 2500);
		const svc = await certificate(["svc"], { ca, notAfter });
		const gateway = await startWith(yaml(mutual), { ca });
		const client = { ...svc, version, servername: "b.test" };
		const { session } = await visit(gateway.port, client);
		await until(() => Date.now() > notAfter.getTime(), { what: "the certificate to expire" });
		await expect(visit(gateway.port, { ...client, session })).rejects.toThrow();
		await until(() => gateway.lines.of("ws.reject").length > 0, { what: "a line about it" });
		expect(gateway.lines.of("ws.reject").map(({ message }) => message)).toEqual([
			"the TLS handshake failed: the client's certificate has expired",
		]);
	});

	it("begins anew when min_version changes", async () => {
		const gateway = await startWith(yaml());
		const { session } = await visit(gateway.port, { version: "TLSv1.3" });
		await gateway.change(yaml(', min_version: "1.3"'));
		expect((await visit(gateway.port, { version: "TLSv1.3", session })).resumed).toBe(false);
	});
});

describe("ticket keys", () => {
	it.each(CASES)("hold in every process that has the same secret, $version, name '$servername'", async (client) => {
		const secret = newTicketSecret();
		const file = join(await folderOfCertificates(), "routes.yaml");
		const first = await startTestGateway(yaml(), { file, ticketKeys: new TicketKeys(secret) });
		const second = await startTestGateway(yaml(), { file, ticketKeys: new TicketKeys(secret) });
		const stranger = await startTestGateway(yaml(), { file });
		const { session } = await visit(first.port, client);
		expect((await visit(second.port, { ...client, session })).resumed).toBe(true);
		expect((await visit(stranger.port, { ...client, session })).resumed).toBe(false);
	});

	it.each(CASES)(
		"change with the secret: older tickets cost a full handshake, $version, '$servername'",
		async (client) => {
			const ticketKeys = new TicketKeys();
			const file = join(await folderOfCertificates(), "routes.yaml");
			const gateway = await startTestGateway(yaml(), { file, ticketKeys });
			const { session } = await visit(gateway.port, client);
			ticketKeys.replace(newTicketSecret());
			const next = await visit(gateway.port, { ...client, session });
			expect(next.resumed).toBe(false);
			expect((await visit(gateway.port, { ...client, session: next.session })).resumed).toBe(true);
		},
	);
});
