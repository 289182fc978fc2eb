import { expect, it } from "vitest";
import { judge } from "../../../../src/doctor/cause.ts";
import { TLS_CAUSES } from "../../../../src/doctor/causes/tls.ts";
import type { CertificateFacts, TlsFacts } from "../../../../src/doctor/steps/tls.ts";

const DAY = 86_400_000;
const NOW = Date.UTC(2030, 0, 1);

const CERTIFICATE: CertificateFacts = {
	subject: "chat.example.com",
	issuer: "Some CA",
	names: ["chat.example.com"],
	validFrom: NOW - 30 * DAY,
	validTo: NOW + 60 * DAY,
	selfSigned: false,
	namesIssuerUrl: true,
	chainLength: 1,
};

function causes(certificate: Partial<CertificateFacts>, facts: Partial<TlsFacts> = {}): string[] {
	const good = {
		host: "chat.example.com",
		error: undefined,
		end: "ready",
		protocol: "TLSv1.3",
		verifyError: undefined,
		nameMatches: true,
		now: NOW,
		ownAuthorities: false,
		plainHttp: undefined,
		timeout: 1,
	} as const;
	return judge(TLS_CAUSES, { ...good, certificate: { ...CERTIFICATE, ...certificate }, ...facts }).map(
		({ cause }) => cause,
	);
}

it("a good certificate has no cause", () => {
	expect(causes({})).toEqual([]);
});

it("a leaf of a public authority alone lacks its intermediate; one of a private one is unknown", () => {
	const verifyError = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
	expect(causes({}, { verifyError })).toEqual(["cert-missing-intermediate"]);
	expect(causes({ namesIssuerUrl: false }, { verifyError })).toEqual(["cert-unknown-authority"]);
	expect(causes({ namesIssuerUrl: false }, { verifyError, ownAuthorities: true })).toEqual([
		"cert-missing-intermediate",
	]);
	expect(causes({ chainLength: 2 }, { verifyError: "SELF_SIGNED_CERT_IN_CHAIN" })).toEqual(["cert-unknown-authority"]);
});

it("an expired link above a good certificate is told apart from an expired certificate", () => {
	const verifyError = "CERT_HAS_EXPIRED";
	expect(causes({}, { verifyError })).toEqual(["cert-chain-expired"]);
	expect(causes({ validTo: NOW - 1 }, { verifyError })).toEqual(["cert-expired"]);
});

it("the warning before the end fits the certificate's life", () => {
	expect(causes({ validTo: NOW + 15 * DAY })).toEqual([]);
	expect(causes({ validTo: NOW + 13 * DAY })).toEqual(["cert-expires-soon"]);
	expect(causes({ validFrom: NOW - 3 * DAY, validTo: NOW + 3 * DAY })).toEqual([]);
	expect(causes({ validFrom: NOW - 5 * DAY, validTo: NOW + DAY })).toEqual(["cert-expires-soon"]);
});

it("any other verdict of OpenSSL is passed on", () => {
	expect(causes({}, { verifyError: "EE_KEY_TOO_SMALL" })).toEqual(["cert-refused"]);
});
