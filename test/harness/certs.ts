/** Certificates for tests, made on the spot. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { onTestFinished } from "vitest";

export interface Certificate {
	/** PEM. */
	readonly cert: string;
	/** PEM. */
	readonly key: string;
}

export interface CertificateOptions {
	/** Signs it; without one it is self-signed. */
	ca?: Certificate;
	/** Default: an hour ago. */
	notBefore?: Date;
	/** Default: in 90 days. */
	notAfter?: Date;
	/** Can sign others. */
	isCa?: boolean;
	/** Of the key; default `ec`. */
	keyType?: "ec" | "rsa";
}

const HOUR = 3_600_000;

/** A certificate for these host names and addresses; the first is its common name. */
export async function certificate(
	names: readonly [string, ...string[]],
	options: CertificateOptions = {},
): Promise<Certificate> {
	const pems = await generate([{ name: "commonName", value: names[0] }], {
		keyType: options.keyType ?? "ec",
		curve: "P-256",
		algorithm: "sha256",
		notBeforeDate: options.notBefore ?? new Date(Date.now() - HOUR),
		notAfterDate: options.notAfter ?? new Date(Date.now() + 90 * 24 * HOUR),
		extensions: [
			{ name: "basicConstraints", cA: options.isCa ?? false, critical: true },
			{
				name: "keyUsage",
				digitalSignature: true,
				...(options.isCa ? { keyCertSign: true, cRLSign: true } : {}),
				critical: true,
			},
			{
				name: "subjectAltName",
				altNames: names.map((name) =>
					isAddress(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
				),
			},
		],
		...(options.ca ? { ca: options.ca } : {}),
	});
	return { cert: pems.cert, key: pems.private };
}

function isAddress(name: string): boolean {
	return /^[\d.]+$/.test(name) || name.includes(":");
}

/** Writes files to a fresh folder that goes away with the test, readable by nobody else; returns their paths by name. */
export async function temporaryFiles<Name extends string>(
	files: Record<Name, string>,
	atEnd: (clean: () => Promise<void>) => void = onTestFinished,
): Promise<Record<Name, string> & { dir: string }> {
	const dir = await mkdtemp(join(tmpdir(), "clawgate-test-"));
	atEnd(() => rm(dir, { recursive: true, force: true }));
	const paths: Record<string, string> = { dir };
	for (const [name, text] of Object.entries<string>(files)) {
		const path = join(dir, name);
		await writeFile(path, text, { mode: 0o600 });
		paths[name] = path;
	}
	return paths as Record<Name, string> & { dir: string };
}
