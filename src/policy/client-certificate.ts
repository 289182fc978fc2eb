/** `auth.client_certificate`: the client has to have shown a certificate that the listener has verified (`tls.client_auth`). */
import { z } from "zod";
import { GatewayError } from "../errors.ts";
import { oneOrMany } from "../options.ts";
import { compilePattern, pattern } from "../protocol/regex.ts";
import type { Check } from "./check.ts";

const subject = z.union([z.string().min(1), z.strictObject({ regex: pattern })], {
	error: "expected a subject such as CN=svc,O=Acme, or { regex: '^CN=svc-\\d+,O=Acme$' }",
});

export const clientCertificateOptions = z.strictObject({
	required: z
		.boolean()
		.prefault(true)
		.meta({ description: "`false` also lets clients in that have shown none. A wrong subject is refused anyway." }),
	subject: oneOrMany(subject).optional().meta({
		description:
			"Whose it may be, as X-Client-Cert-Subject tells it (RFC 4514: `CN=svc,O=Acme`): the whole subject, or `{ regex: '…' }`, found anywhere in it unless it has ^ and $. Without it, anybody's that the listener takes.",
	}),
});

export type ClientCertificateConfig = z.output<typeof clientCertificateOptions>;

/** Compiles a checked `auth.client_certificate`. */
export function clientCertificateCheck({ required, subject }: ClientCertificateConfig): Check {
	const exact = new Set(subject?.filter((one) => typeof one === "string"));
	const patterns = subject?.flatMap((one) => (typeof one === "string" ? [] : [compilePattern(one.regex)])) ?? [];
	return {
		name: "client_certificate",
		check({ request: { clientCertificate } }) {
			if (clientCertificate === undefined) {
				if (required) throw new GatewayError("CLIENT_CERTIFICATE_MISSING");
				return undefined;
			}
			const whose = clientCertificate.subject;
			if (subject === undefined || exact.has(whose)) return undefined;
			if (patterns.some((one) => one.test(whose, "the certificate's subject"))) return undefined;
			throw new GatewayError(
				"CLIENT_CERTIFICATE_DENIED",
				`the certificate's subject ${whose} is not one of auth.client_certificate.subject`,
			);
		},
	};
}
