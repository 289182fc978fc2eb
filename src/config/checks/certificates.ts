/** Certificates and keys: each is what it should be, the two of a pair belong together, and clients take them. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { expiryTrouble } from "../certificate-expiry.ts";
import { textOf } from "../files.ts";
import type { Problem } from "../problem.ts";
import { type Found, mapsAt, type RawMap, textsAt } from "../values-at.ts";
import type { Check, CheckContext } from "./check.ts";

/** Maps with a `cert` and its `key`. */
const PAIRS = ["listeners.*.tls.certificates.*", "hub_api.tls.certificates.*", "upstreams.*.tls"];
const REVOCATIONS = ["listeners.*.client_crl", "listeners.*.client_crl.*"];
const AUTHORITIES = ["upstreams.*.tls.ca", "listeners.*.tls.client_ca"];

export const certificates: Check = (context) => [
	...PAIRS.flatMap((where) => mapsAt(context.data, where)).flatMap((pair) => checkPair(context, pair)),
	...AUTHORITIES.flatMap((where) => textsAt(context.data, where)).flatMap(({ path, value }) => {
		const read = load(context, value, parseCertificates);
		return read === undefined || read.parsed ? [] : [context.source.problem(path, read.trouble)];
	}),
	...REVOCATIONS.flatMap((where) => textsAt(context.data, where)).flatMap(({ path, value }) => {
		const read = load(context, value, parseRevocations);
		return read === undefined || read.parsed ? [] : [context.source.problem(path, read.trouble)];
	}),
];

function checkPair(context: CheckContext, { path, value }: Found<RawMap>): Problem[] {
	const cert = typeof value.cert === "string" ? load(context, value.cert, parseCertificates) : undefined;
	const key = typeof value.key === "string" ? load(context, value.key, parseKey) : undefined;
	const problems: Problem[] = [];
	if (cert && !cert.parsed) problems.push(context.source.problem([...path, "cert"], cert.trouble));
	if (key && !key.parsed) problems.push(context.source.problem([...path, "key"], key.trouble));
	if (cert?.parsed) {
		const { validFrom, validTo } = cert.parsed;
		const trouble = expiryTrouble(Date.parse(validFrom), Date.parse(validTo), Date.now());
		if (trouble) problems.push(context.source.problem([...path, "cert"], trouble, { severity: "warning" }));
	}
	if (cert?.parsed && key?.parsed && !cert.parsed.checkPrivateKey(key.parsed)) {
		problems.push(
			context.source.problem([...path, "key"], `this key does not belong to the certificate ${value.cert}`),
		);
	}
	return problems;
}

type Loaded<T> = { readonly parsed: T } | { readonly parsed?: undefined; readonly trouble: string };

/** Undefined when the file cannot be read: readable-files.ts says so. */
function load<T>({ folder, read }: CheckContext, file: string, parse: (text: string) => T): Loaded<T> | undefined {
	if (file === "" || file.includes("\0")) return undefined;
	const { text } = textOf(read(resolve(folder, file))) as { text?: string };
	if (text === undefined) return undefined;
	try {
		return { parsed: parse(text) };
	} catch (error) {
		return { trouble: error instanceof Error ? error.message : String(error) };
	}
}

/** The first certificate of a PEM file, all of them being readable. @throws Error in the operator's words */
function parseCertificates(text: string): X509Certificate {
	const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END [^-]+-----/g) ?? [];
	if (blocks.length === 0) throw new Error("there is no certificate in this file; expected PEM (BEGIN CERTIFICATE)");
	const parsed = blocks.map((block, index) => {
		try {
			return new X509Certificate(block);
		} catch {
			throw new Error(`certificate ${index + 1} in this file is damaged`);
		}
	});
	return parsed[0] as X509Certificate;
}

/** @throws Error in the operator's words */
function parseRevocations(text: string): true {
	if (!text.includes("-----BEGIN X509 CRL-----")) {
		throw new Error("there is no list of revoked certificates in this file; expected PEM (BEGIN X509 CRL)");
	}
	try {
		createSecureContext({ crl: text });
	} catch {
		throw new Error("the list of revoked certificates in this file is damaged");
	}
	return true;
}

/** @throws Error in the operator's words; nothing of the key is in them */
function parseKey(text: string): KeyObject {
	if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text)) {
		throw new Error("this key is encrypted; take the passphrase off, for example with openssl pkey");
	}
	try {
		return createPrivateKey(text);
	} catch {
		throw new Error("there is no private key in this file; expected PEM (BEGIN PRIVATE KEY)");
	}
}
