/** TLS of a listener: certificates by name (SNI, RFC 6066 §3), and one made at start to try things out. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { generate } from "selfsigned";
import type { ListenerConfig } from "../config/schema.ts";

/** One certificate with its key, ready to be served. */
interface Served {
	readonly cert: string | Buffer;
	readonly key: string | Buffer;
	readonly context: SecureContext;
	readonly names: readonly string[];
	/** ms since the epoch */
	readonly expiresAt: number;
}

/** The certificates of one listener. */
export class Certificates {
	/** The first is served when no name matches. */
	readonly served: readonly Served[];
	/** The names it was made for at start, when it is not from files. */
	readonly selfSigned: readonly string[] | undefined;
	/** Whose certificates clients can show (PEM). */
	readonly clientCa: Buffer | undefined;
	readonly #byName = new Map<string, SecureContext>();

	constructor(served: readonly Served[], clientCa?: Buffer, selfSigned?: readonly string[]) {
		this.served = served;
		this.clientCa = clientCa;
		this.selfSigned = selfSigned;
		for (const { names, context } of served) {
			for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, context);
		}
	}

	get fallback(): Served {
		return this.served[0] as Served;
	}

	/** The context for a name: an exact one, then a wildcard for its first label (RFC 9525 §6.3), then the first. */
	contextFor(serverName: string): SecureContext {
		const name = serverName.toLowerCase();
		const dot = name.indexOf(".");
		const wildcard = dot < 0 ? undefined : this.#byName.get(`*${name.slice(dot)}`);
		return this.#byName.get(name) ?? wildcard ?? this.fallback.context;
	}
}

/**
 * Reads, or makes, what a listener serves. A self-signed one is made once: clients may have accepted it by hand.
 * @throws Error when a file cannot be read or is no certificate
 */
export async function loadCertificates(
	tls: NonNullable<ListenerConfig["tls"]>,
	previous?: Certificates,
): Promise<Certificates> {
	const ca = tls.client_ca === undefined ? undefined : await readFile(tls.client_ca);
	const options: SecureContextOptions = { minVersion: `TLSv${tls.min_version}`, ...(ca && { ca }) };
	if (tls.self_signed) {
		const kept = isDeepStrictEqual(tls.self_signed, previous?.selfSigned) ? previous?.fallback : undefined;
		const { cert, key } = kept ?? (await makeSelfSigned(tls.self_signed));
		return new Certificates([serve(cert, key, options)], ca, tls.self_signed);
	}
	const served: Served[] = [];
	for (const { cert, key } of tls.certificates ?? []) {
		served.push(serve(await readFile(cert), await readFile(key), options));
	}
	return new Certificates(served, ca);
}

function serve(cert: string | Buffer, key: string | Buffer, options: SecureContextOptions): Served {
	const certificate = new X509Certificate(cert);
	return {
		cert,
		key,
		context: createSecureContext({ ...options, cert, key }),
		names: namesOf(certificate),
		expiresAt: Date.parse(certificate.validTo),
	};
}

function namesOf(certificate: X509Certificate): string[] {
	const alternatives = (certificate.subjectAltName ?? "").split(", ").filter((name) => name.startsWith("DNS:"));
	if (alternatives.length > 0) return alternatives.map((name) => name.slice("DNS:".length).toLowerCase());
	const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
	return common === undefined ? [] : [common.toLowerCase()];
}

async function makeSelfSigned(names: readonly string[]): Promise<{ cert: string; key: string }> {
	const altNames = names.map((name) =>
		isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const),
	);
	const notAfterDate = new Date();
	notAfterDate.setFullYear(notAfterDate.getFullYear() + 1);
	const made = await generate([{ name: "commonName", value: names[0] as string }], {
		keyType: "ec",
		algorithm: "sha256",
		notAfterDate,
		extensions: [
			{ name: "basicConstraints", cA: false },
			{ name: "subjectAltName", altNames },
		],
	});
	return { cert: made.cert, key: made.private };
}
