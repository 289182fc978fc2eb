/** What can be wrong with TLS and the certificate. */
import type { Causes } from "../cause.ts";
import { daysBetween, namesOf, type TlsFacts } from "../steps/tls.ts";

const DAY = 86_400_000;
/** Warned about from here on; certificates of a shorter life from a third of it. */
const SOON = 14 * DAY;

const errorIs =
	(pattern: RegExp) =>
	({ error }: TlsFacts): boolean =>
		error !== undefined && pattern.test(error.code);

const verifyIs =
	(...codes: string[]) =>
	({ verifyError }: TlsFacts): boolean =>
		verifyError !== undefined && codes.includes(verifyError);

const ISSUER_UNKNOWN = [
	"UNABLE_TO_VERIFY_LEAF_SIGNATURE",
	"UNABLE_TO_GET_ISSUER_CERT",
	"UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
];

export const TLS_CAUSES: Causes<TlsFacts> = {
	groups: [
		[
			{
				id: "tls-to-plain",
				severity: "problem",
				sign: "the answer to the ClientHello is not TLS, or the port answers plain HTTP",
				wrong: "The port does not speak TLS.",
				advice: [
					"Use ws:// for this port, or the port that speaks TLS (usually 443).",
					"If it should speak TLS, certificates are not configured on this listener; behind a load balancer that ends TLS, talk to the load balancer.",
				],
				matches: (facts) =>
					facts.plainHttp === true ||
					errorIs(/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNEXPECTED_MESSAGE|RECORD_TOO_/)(facts),
			},
			{
				id: "tls-http2-only",
				severity: "problem",
				sign: "alert no_application_protocol to ALPN http/1.1",
				wrong: "The server takes HTTP/2 only: WebSockets need HTTP/1.1 here.",
				advice: [
					"Let the listener offer http/1.1 in ALPN beside h2 (in Node: `allowHTTP1: true`; in Envoy: alpn_protocols).",
				],
				matches: errorIs(/NO_APPLICATION_PROTOCOL/),
			},
			{
				id: "tls-version",
				severity: "problem",
				sign: "alert protocol_version, or a protocol older than TLS 1.2",
				wrong: "The server and this machine have no TLS version in common.",
				advice: ["Switch TLS 1.2 and 1.3 on at the server: browsers and current libraries refuse anything older."],
				matches: errorIs(/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|WRONG_SSL_VERSION|VERSION_TOO_LOW/),
			},
			{
				id: "tls-unknown-name",
				severity: "problem",
				sign: "alert unrecognized_name",
				wrong: "The server has no certificate for this name (SNI).",
				advice: ["Check the host name, and that the server (or CDN) is configured for it."],
				matches: errorIs(/UNRECOGNIZED_NAME/),
			},
			{
				id: "tls-client-certificate",
				severity: "problem",
				sign: "alert certificate_required or bad_certificate",
				wrong: "The server wants a client certificate, or refuses the one it got.",
				advice: [
					"Give one with --cert and --key; browsers ask their user for it.",
					"If clients should need none, switch client authentication off at the listener (Clawgate: `tls.client_auth: none`).",
				],
				matches: errorIs(/ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|NO_CERTIFICATE)/),
			},
			{
				id: "tls-timeout",
				severity: "problem",
				sign: "no answer to the ClientHello within --timeout",
				wrong: "The port accepts connections and does not answer TLS.",
				advice: [
					"Probably another protocol lives on this port, or it waits for a PROXY protocol header: check the port and the listener.",
					"If only some networks see it, a path drops large packets (MTU) or filters by name.",
				],
				matches: ({ end }) => end === "timeout",
			},
			{
				id: "tls-closed",
				severity: "problem",
				sign: "the connection ends before the handshake is over, without an alert",
				wrong: "The server ends the connection during the TLS handshake.",
				advice: [
					"Usual causes: no certificate for this name, a listener that waits for a PROXY protocol header, a port that speaks something else, or a filter on the way.",
					"The server's log at this second says more.",
				],
				matches: ({ end }) => end === "closed",
			},
			{
				id: "tls-failed",
				severity: "problem",
				sign: "any other error of the TLS handshake",
				wrong: "The TLS handshake failed.",
				advice: [
					"Alert handshake_failure means no common cipher, a server that needs a certificate for this name, or one that wants a client certificate (--cert, --key).",
					"`openssl s_client -connect HOST:PORT -servername HOST` shows the same from another program.",
				],
				matches: ({ end }) => end === "error",
			},
		],
		[
			{
				id: "cert-expired",
				severity: "problem",
				sign: "the certificate's validity has ended",
				wrong: "The certificate has expired.",
				advice: [
					"Renew it, and see that the server reads the new file: many servers need a reload (Clawgate takes changed files by itself).",
					"If it was renewed already: another server behind the same name, or a CDN, still has the old one.",
					"Check this machine's clock if the date looks right.",
				],
				matches: ({ certificate, now }) => certificate !== undefined && now > certificate.validTo,
			},
			{
				id: "cert-not-yet-valid",
				severity: "problem",
				sign: "the certificate's validity has not begun",
				wrong: "The certificate is not valid yet.",
				advice: ["Check the clock of this machine and of the one that made the certificate."],
				matches: ({ certificate, now }) => certificate !== undefined && now < certificate.validFrom,
			},
			{
				id: "cert-chain-expired",
				severity: "problem",
				sign: "the certificate is valid, and one above it in the chain is not",
				wrong: "An intermediate or root certificate in the chain has expired.",
				advice: ["Install the present chain of the authority (the file often named fullchain.pem)."],
				matches: verifyIs("CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"),
			},
			{
				id: "cert-expires-soon",
				severity: "warning",
				sign: "less than 14 days left, or less than a third of a shorter life",
				wrong: "The certificate expires soon.",
				advice: ["Renew it, and find out why the automatic renewal has not done so yet."],
				more: ({ certificate, now }) =>
					certificate === undefined ? [] : [`Days left: ${daysBetween(now, certificate.validTo)}.`],
				matches: ({ certificate, now }) =>
					certificate !== undefined &&
					certificate.validTo - now < Math.min(SOON, (certificate.validTo - certificate.validFrom) / 3),
			},
		],
		[
			{
				id: "cert-wrong-name",
				severity: "problem",
				sign: "the host is not among the certificate's names",
				wrong: "The certificate is for another name.",
				advice: [
					"Connect by a name that the certificate has, or get a certificate with this name; an address counts only when the certificate lists it.",
					"If it is a default certificate, the server does not know this name: check its SNI or server_name configuration.",
				],
				more: ({ host, certificate }) =>
					certificate === undefined ? [] : [`Asked for: ${host}. The certificate is for: ${namesOf(certificate)}.`],
				matches: ({ certificate, nameMatches }) => certificate !== undefined && !nameMatches,
			},
		],
		[
			{
				id: "cert-self-signed",
				severity: "problem",
				sign: "the certificate is its own issuer, and nobody trusts it",
				wrong: "The certificate is self-signed.",
				advice: [
					"Use one of a public authority (Let's Encrypt is free), or give the certificate to the clients to trust (here: --ca FILE).",
					"For a look at the rest now: --insecure.",
				],
				matches: (facts) =>
					facts.verifyError === "DEPTH_ZERO_SELF_SIGNED_CERT" ||
					(facts.verifyError !== undefined && facts.certificate?.selfSigned === true),
			},
			{
				id: "cert-missing-intermediate",
				severity: "problem",
				sign: "the server sends its own certificate only, whose issuer is neither sent nor known here",
				wrong: "The server does not send its intermediate certificate.",
				advice: [
					"Configure the whole chain, own certificate first (the file often named fullchain.pem). Some browsers have the intermediate from elsewhere and work, programs do not.",
					"If the authority is a private one whose root signs directly: clients have to trust it (here: --ca FILE).",
				],
				matches: (facts) =>
					verifyIs(...ISSUER_UNKNOWN)(facts) &&
					facts.certificate?.chainLength === 1 &&
					(facts.certificate.namesIssuerUrl || facts.ownAuthorities),
			},
			{
				id: "cert-unknown-authority",
				severity: "problem",
				sign: "the chain ends at an authority that this machine does not trust",
				wrong: "The certificate comes from an authority that is not trusted here.",
				advice: [
					"A private authority: clients have to trust it (here: --ca FILE; Node: NODE_EXTRA_CA_CERTS; systems: their store).",
					"A public one: the server may lack the intermediate certificate (fullchain.pem), or this machine's list of authorities is old.",
					"A company's proxy or virus scanner that opens TLS looks like this too: see the issuer's name.",
				],
				matches: verifyIs(...ISSUER_UNKNOWN, "SELF_SIGNED_CERT_IN_CHAIN"),
			},
			{
				id: "cert-refused",
				severity: "problem",
				sign: "any other verdict of OpenSSL on the chain",
				wrong: "The certificate cannot be trusted.",
				advice: [
					"OpenSSL's word for it is below; common are keys or signatures that are too weak, and a wrong use (not for servers).",
				],
				more: ({ verifyError }) => [`OpenSSL says ${verifyError}.`],
				matches: ({ verifyError }) =>
					verifyError !== undefined && !["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"].includes(verifyError),
			},
		],
	],
};
