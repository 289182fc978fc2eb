/** TLS of a listener: certificates by name (SNI, RFC 6066 §3), and one made at start to try things out. */
import { createHash, X509Certificate } from "node:crypto";
import { createRequire } from "node:module";
import { isIP } from "node:net";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { ListenerConfig } from "../config/schema.ts";
import { TICKET_KEYS_LIFE_MS, type TicketKeys } from "./ticket-keys.ts";
import { tlsOrder } from "./tls-order.ts";

/** What OpenSSL has room for. */
const SESSION_ID_CONTEXT_LENGTH = 32;
/** Kinds of keys as OpenSSL prefers them where client and server have several in common. */
const KINDS = ["ec", "ed25519", "ed448", "rsa-pss", "rsa"];
/** How each kind signs (RFC 8446 §4.2.3), an ECDSA key by its curve. */
const SIGNATURES: Readonly<Record<string, string>> = {
	prime256v1: "ECDSA+SHA256",
	secp384r1: "ECDSA+SHA384",
	secp521r1: "ECDSA+SHA512",
	ed25519: "Ed25519",
	ed448: "Ed448",
};

/** A certificate and its key, PEM. */
export interface MadeCertificate {
	readonly cert: string;
	readonly key: string;
}

/** Makes a certificate for these host names and addresses; the first is its common name. */
export type SelfSigned = (names: readonly string[]) => Promise<MadeCertificate>;

/** One certificate with its key, ready to be served. */
export interface Served {
	readonly cert: string | Buffer;
	readonly key: string | Buffer;
	/** Of the key: one of {@link KINDS}. */
	readonly kind: string;
	/** What a client has to understand, as `getSharedSigalgs` begins to say it. */
	readonly signature: string;
	readonly context: SecureContext;
	readonly names: readonly string[];
	/** ms since the epoch */
	readonly expiresAt: number;
}

/** Certificates that are served together, one of each kind at most, in the order of {@link KINDS}. */
export type Group = readonly [Served, ...Served[]];

/** What is the same for every name of a listener. */
interface Common {
	readonly options: SecureContextOptions;
	readonly keys: TicketKeys;
	/** What has to be the same for a session to be resumed. */
	readonly scope: string;
}

/** The certificates of one listener. */
export class Certificates {
	/** The first is served when no name matches. */
	readonly served: readonly Served[];
	/** The names it was made for at start, when it is not from files. */
	readonly selfSigned: readonly string[] | undefined;
	readonly #common: Common;
	readonly #byName = new Map<string, Group>();
	readonly #fallback: Group;
	/** What the server has itself. */
	readonly #own: readonly Served[];

	constructor(served: readonly [Served, ...Served[]], common: Common, selfSigned?: readonly string[]) {
		this.served = served;
		this.selfSigned = selfSigned;
		this.#common = common;
		for (const name of new Set(served.flatMap(({ names }) => names))) {
			this.#byName.set(name, oneOfEachKind(served, name));
		}
		const [first] = served;
		this.#fallback = this.#byName.get(first.names[0] ?? "") ?? [first];
		// Before version 24 Node adds the certificate for a name to these and replaces only the one of its kind: a kind
		// must not be here that OpenSSL would rather take than the right certificate of another name.
		const groups = [...this.#byName.values()];
		const harmless = ({ kind }: Served): boolean => groups.every((group) => !isPreferred(kind, group));
		const usual = this.#fallback.filter(harmless);
		// The kind that OpenSSL likes least harms no other name.
		this.#own = usual.length > 0 ? usual : served.filter(harmless).slice(0, 1);
	}

	/** For the server itself: what clients get that ask for no name, and how sessions are resumed. */
	get serverOptions(): SecureContextOptions {
		return {
			...this.#common.options,
			cert: this.#own.map(({ cert }) => cert),
			key: this.#own.map(({ key }) => key),
			ticketKeys: this.ticketKeys,
			sessionIdContext: this.#common.scope,
			sessionTimeout: TICKET_KEYS_LIFE_MS / 1000,
		};
	}

	/** What tickets are encrypted with now: 48 bytes. */
	get ticketKeys(): Buffer {
		return this.#common.keys.keysFor(this.#common.scope);
	}

	/**
	 * Those for a name: an exact one, then a wildcard for its first label (RFC 9525 §6.3), then the first. Undefined when
	 * the server has them itself.
	 */
	groupFor(serverName: string): Group | undefined {
		const name = serverName.toLowerCase();
		const group = this.#byName.get(name) ?? this.#byName.get(wildcardOf(name)) ?? this.#fallback;
		const own = group.length === this.#own.length && group.every((one) => this.#own.includes(one));
		return own ? undefined : group;
	}
}

/** Whether a certificate of this kind would be taken instead of each of the group. */
function isPreferred(kind: string, group: Group): boolean {
	return group.every((certificate) => KINDS.indexOf(kind) < KINDS.indexOf(certificate.kind));
}

/** What certificates are made with. */
export interface CertificateParts {
	/** The listener's; sessions of another one are not resumed. */
	readonly address: string;
	/** Gives a file's content. @throws Error when it cannot be read */
	readonly read: (path: string) => Buffer;
	readonly keys: TicketKeys;
	readonly selfSigned: SelfSigned;
}

/**
 * Reads, or makes, what a listener serves. A self-signed one is made once: clients may have accepted it by hand.
 * @throws Error when a file cannot be read or is no certificate
 */
export async function loadCertificates(
	tls: NonNullable<ListenerConfig["tls"]>,
	clientCrl: readonly string[] | undefined,
	{ address, read, keys, selfSigned }: CertificateParts,
	previous?: Certificates,
): Promise<Certificates> {
	const ca = tls.client_ca === undefined ? undefined : read(tls.client_ca);
	const crl = clientCrl?.map(read);
	const minVersion = `TLSv${tls.min_version}` as const;
	const options = { ...tlsOrder(), minVersion, ...(ca && { ca }), ...(crl && { crl }) };
	const common = { options, keys, scope: resumptionScope(tls, address, [ca, ...(crl ?? [])]) };
	if (tls.self_signed) {
		const kept = isDeepStrictEqual(tls.self_signed, previous?.selfSigned) ? previous?.served[0] : undefined;
		const { cert, key } = kept ?? (await selfSigned(tls.self_signed));
		return new Certificates([servedFrom(cert, key, options)], common, tls.self_signed);
	}
	const served = (tls.certificates ?? []).map(({ cert, key }) => servedFrom(read(cert), read(key), options));
	return new Certificates(served as [Served, ...Served[]], common);
}

/**
 * What a client had to prove, as OpenSSL's session id context. A resumed session shows no certificate again: it must
 * not outlive the authorities, and the lists of revoked ones, that the certificate was checked against.
 */
function resumptionScope(
	tls: NonNullable<ListenerConfig["tls"]>,
	address: string,
	files: readonly (Buffer | undefined)[],
): string {
	const rules = JSON.stringify([
		address,
		tls.min_version,
		tls.client_auth,
		...files.map((file) => file?.toString("base64")),
	]);
	return createHash("sha256").update(rules).digest("hex").slice(0, SESSION_ID_CONTEXT_LENGTH);
}

/** The first certificate of each kind of key for a name; one for exactly this name before a wildcard. */
function oneOfEachKind(served: readonly Served[], name: string): Group {
	const matching = [name, wildcardOf(name)].flatMap((wanted) => served.filter(({ names }) => names.includes(wanted)));
	return KINDS.flatMap((kind) => matching.find((one) => one.kind === kind) ?? []) as [Served, ...Served[]];
}

function wildcardOf(name: string): string {
	const dot = name.indexOf(".");
	return dot < 0 ? "" : `*${name.slice(dot)}`;
}

function servedFrom(cert: string | Buffer, key: string | Buffer, options: SecureContextOptions): Served {
	const certificate = new X509Certificate(cert);
	const { asymmetricKeyType = "", asymmetricKeyDetails: details } = certificate.publicKey;
	// Something odd is served as the last choice.
	const kind = KINDS.includes(asymmetricKeyType) ? asymmetricKeyType : "rsa";
	return {
		cert,
		key,
		kind,
		signature: SIGNATURES[details?.namedCurve ?? kind] ?? "RSA",
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

/** A {@link SelfSigned}: valid for a year. */
export async function makeSelfSigned(names: readonly string[]): Promise<MadeCertificate> {
	const altNames = names.map((name) =>
		isIP(name) === 0 ? ({ type: 2, value: name } as const) : ({ type: 7, ip: name } as const),
	);
	const notAfterDate = new Date();
	notAfterDate.setFullYear(notAfterDate.getFullYear() + 1);
	// Few need it, and it takes long to load. Not by import(): on Node 22 that gave an empty object in a supervisor.
	const { generate } = createRequire(import.meta.url)("selfsigned") as typeof import("selfsigned");
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
