/** `listen` and `ssl_*` as `listeners`. */
import { resolve } from "node:path";
import { readText } from "../../config/files.ts";
import type { Notes } from "./notes.ts";
import type { Scope } from "./scope.ts";
import { mergeAddresses, type Socket } from "./sockets.ts";
import { durationText, parseSize, parseTime, sizeText } from "./units.ts";

/** An entry of `listeners`. */
export type ListenerFields = { name: string; address: string } & Record<string, unknown>;

/** The listeners for addresses that have the same routes. */
export function listeners(
	sockets: readonly Socket[],
	http: Scope,
	folder: string,
	proxies: readonly string[] | undefined,
	notes: Notes,
): ListenerFields[] {
	const taken = new Set<string>();
	return mergeAddresses(sockets).map(({ socket, address }) => {
		const plain = socket.port === 0 ? "unix" : `${socket.ssl ? "https" : "http"}-${socket.port}`;
		let name = plain;
		for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
		taken.add(name);
		const first = socket.servers.find(({ isDefault }) => isDefault)?.scope ?? http;
		return {
			name,
			address,
			...(socket.ssl && tls(socket, folder, notes)),
			...(socket.ssl && revocations(socket, folder)),
			...(socket.proxyProtocol && proxyProtocol(socket, proxies, notes)),
			...headLimits(first),
		};
	});
}

function proxyProtocol(socket: Socket, trusted: readonly string[] | undefined, notes: Notes): Record<string, unknown> {
	if (trusted !== undefined && trusted.length > 0) return { proxy_protocol: { trusted } };
	notes.add(
		socket.directive,
		"a PROXY header is taken from anybody, and tells who the client is: write the load balancer's addresses into proxy_protocol.trusted",
		"status",
	);
	return { proxy_protocol: { trusted: ["0.0.0.0/0", "::/0"] } };
}

function tls(socket: Socket, folder: string, notes: Notes): Record<string, unknown> {
	const ordered = [...socket.servers].sort((a, b) => Number(b.isDefault) - Number(a.isDefault));
	const certificates = new Map<string, { cert: string; key: string }>();
	const fields: Record<string, unknown> = {};
	for (const { scope } of ordered) {
		const certs = scope.all("ssl_certificate");
		const keys = scope.all("ssl_certificate_key");
		for (const [index, directive] of certs.entries()) {
			const [cert, key] = [directive.args[0], keys[index]?.args[0]];
			if (cert === undefined || key === undefined || /^(?:data|engine|store):|\$/.test(cert + key)) {
				notes.add(directive, "this certificate is not in files: write tls.certificates by hand", "dropped");
				continue;
			}
			const files = { cert: resolve(folder, cert), key: resolve(folder, key) };
			for (const path of Object.values(files)) {
				const { trouble } = readText(path);
				if (trouble !== undefined)
					notes.add(directive, `cannot read ${path} here (${trouble}): clawgate check needs it`, "dropped");
			}
			certificates.set(JSON.stringify(files), files);
		}
	}
	if (certificates.size > 0) fields.certificates = [...certificates.values()];
	else {
		notes.add(
			socket.directive,
			"there is no certificate for it: one is made at start until you write tls.certificates",
			"dropped",
		);
		fields.self_signed = ["localhost"];
	}
	const protocols = ordered[0]?.scope.find("ssl_protocols");
	if (protocols?.args.every((name) => name === "TLSv1.3")) fields.min_version = "1.3";
	else if (protocols?.args.some((name) => /^(?:SSLv[23]|TLSv1|TLSv1\.1)$/.test(name))) {
		notes.add(protocols, "TLS below 1.2 is not possible", "dropped");
	}
	return {
		tls: {
			...fields,
			...clientCertificates(
				ordered.map(({ scope }) => scope),
				folder,
				notes,
			),
		},
	};
}

/** nginx has it for each server, Clawgate for each listener: the strictest one counts. */
function clientCertificates(scopes: readonly Scope[], folder: string, notes: Notes): Record<string, unknown> {
	const asking = scopes.filter((scope) => (scope.value("ssl_verify_client") ?? "off") !== "off");
	const [first] = asking;
	const directive = first?.find("ssl_verify_client");
	if (!first || !directive) return {};
	const ca = first.value("ssl_client_certificate") ?? first.value("ssl_trusted_certificate");
	const required = asking.some((scope) => scope.isOn("ssl_verify_client"));
	if (asking.length < scopes.length && required) {
		notes.add(
			directive,
			"client certificates are asked for on the whole listener, also for the other servers of this address: give those an address of their own",
			"status",
		);
	}
	if (ca === undefined) {
		notes.add(
			directive,
			"there are no authorities to check certificates with: write client_ca and client_auth",
			"status",
		);
		return {};
	}
	return { client_ca: resolve(folder, ca), client_auth: required ? "require" : "request" };
}

/** The lists of the servers that ask for a certificate. */
function revocations({ servers }: Socket, folder: string): { client_crl?: string | string[] } {
	const asking = servers.filter(({ scope }) => (scope.value("ssl_verify_client") ?? "off") !== "off");
	const files = asking.flatMap(({ scope }) => scope.value("ssl_crl") ?? []).map((file) => resolve(folder, file));
	const [first, ...others] = new Set(files);
	return first === undefined ? {} : { client_crl: others.length === 0 ? first : [first, ...others] };
}

function headLimits(scope: Scope): Record<string, unknown> {
	const fields: Record<string, unknown> = {};
	const time = parseTime(scope.value("client_header_timeout") ?? "");
	if (time !== undefined && time > 0) fields.timeouts = { request_headers: durationText(time) };
	const [count, size] = scope.find("large_client_header_buffers")?.args ?? [];
	const bytes = Number(count) * (parseSize(size ?? "") ?? Number.NaN);
	if (!Number.isNaN(bytes)) fields.max_header_size = sizeText(Math.min(1024 ** 2, Math.max(1024, bytes)));
	return fields;
}
