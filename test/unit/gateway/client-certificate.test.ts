import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { clientCertificate } from "../../../src/gateway/client-certificate.ts";

/** A TLS socket whose client showed a certificate; `subject` as Node gives it. */
function socketWith(subject: string, authorized = true): TLSSocket {
	const certificate = { subject, fingerprint256: "E0:79:0A" };
	return { authorized, getPeerX509Certificate: () => certificate } as unknown as TLSSocket;
}

describe("a client's certificate", () => {
	it("is unknown when it was not verified, whatever it says", () => {
		expect(clientCertificate(socketWith("CN=admin", false))).toBeUndefined();
	});

	it("has its name as RFC 4514 writes it, and its fingerprint in plain hex", () => {
		expect(clientCertificate(socketWith("C=DE\nO=Acme\nCN=svc"))).toEqual({
			subject: "CN=svc,O=Acme,C=DE",
			commonName: "svc",
			fingerprint: "e0790a",
		});
	});

	it("keeps escapes in the name and takes them out of the common name", () => {
		const read = clientCertificate(socketWith('O=Müller\\, Söhne\nOU=multi + CN=svc \\"x\\"\\, a\\+b\\0Ac'));
		expect(read?.subject).toBe('CN=svc \\"x\\"\\, a\\+b\\0Ac+OU=multi,O=Müller\\, Söhne');
		expect(read?.commonName).toBe('svc "x", a+b\nc');
	});

	it("may have no common name", () => {
		expect(clientCertificate(socketWith("O=CN=not"))).toMatchObject({ subject: "O=CN=not", commonName: undefined });
	});

	it("is read once for each connection", () => {
		const socket = socketWith("CN=svc");
		expect(clientCertificate(socket)).toBe(clientCertificate(socket));
	});
});
