/** Step 4: TLS, and the certificate looked at in full, whatever Node would have stopped at. */
import { isIP, type Socket } from "node:net";
import { checkServerIdentity, connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { ignoreSocketError } from "../../upstreams/socket.ts";
import type { Examination } from "../examination.ts";
import { counted, duration, printable } from "../words.ts";

export interface CertificateFacts {
	/** Common names, for the reader. */
	readonly subject: string;
	readonly issuer: string;
	/** DNS names and addresses that it is good for. */
	readonly names: readonly string[];
	/** Milliseconds since 1970. */
	readonly validFrom: number;
	readonly validTo: number;
	readonly selfSigned: boolean;
	/** Says where its issuer's certificate can be had, as those of public authorities do. */
	readonly namesIssuerUrl: boolean;
	/** Certificates that the server sent, itself included. */
	readonly chainLength: number;
}

export interface TlsFacts {
	readonly host: string;
	/** Code and words of the error that broke the handshake off. */
	readonly error: { readonly code: string; readonly words: string } | undefined;
	/** How the handshake ended without an error of TLS. */
	readonly end: "ready" | "error" | "timeout" | "closed";
	/** `TLSv1.3` */
	readonly protocol: string | undefined;
	readonly certificate: CertificateFacts | undefined;
	/** OpenSSL's verdict on the chain, such as `CERT_HAS_EXPIRED`; undefined when it is trusted. */
	readonly verifyError: string | undefined;
	/** Whether the certificate is good for the host. */
	readonly nameMatches: boolean;
	/** Milliseconds since 1970. */
	readonly now: number;
	/** `--ca` was given. */
	readonly ownAuthorities: boolean;
	/** The port answers plain HTTP; undefined when that was not tried. */
	readonly plainHttp: boolean | undefined;
	readonly timeout: number;
}

/** Does the TLS handshake; resolves always. The socket is there when it was finished, certificate good or not. */
export function secure(
	tcp: Socket,
	host: string,
	examination: Pick<Examination, "ca" | "cert" | "key" | "timeout">,
	epoch: number,
): Promise<{ facts: TlsFacts; socket: TLSSocket | undefined }> {
	const { ca, cert, key, timeout } = examination;
	return new Promise((resolve) => {
		const tls = connect({
			socket: tcp,
			...(isIP(host) === 0 && { servername: host }),
			ALPNProtocols: ["http/1.1"],
			rejectUnauthorized: false,
			checkServerIdentity: () => undefined,
			...(ca !== undefined && { ca }),
			...(cert !== undefined && { cert, key }),
		});
		const finish = (end: TlsFacts["end"], error?: NodeJS.ErrnoException & { reason?: string }): void => {
			clearTimeout(timer);
			tls.off("secureConnect", onReady).off("error", onError).off("close", onClose);
			const ready = end === "ready";
			const certificate = ready ? certificateFacts(tls.getPeerCertificate(true)) : undefined;
			const facts: TlsFacts = {
				host,
				end,
				error: error && { code: error.code ?? "", words: printable(error.reason ?? error.message) },
				protocol: ready ? (tls.getProtocol() ?? undefined) : undefined,
				certificate,
				verifyError: ready && tls.authorizationError ? String(tls.authorizationError) : undefined,
				nameMatches: ready && checkServerIdentity(host, tls.getPeerCertificate()) === undefined,
				now: epoch,
				ownAuthorities: ca !== undefined,
				plainHttp: undefined,
				timeout,
			};
			if (!ready) tcp.destroy();
			resolve({ facts, socket: ready ? tls : undefined });
		};
		const onReady = (): void => finish("ready");
		const onError = (error: NodeJS.ErrnoException): void =>
			finish(error.code === "ECONNRESET" || error.code === "EPIPE" ? "closed" : "error", error);
		const onClose = (): void => finish("closed");
		const timer = setTimeout(() => finish("timeout"), timeout);
		tls.on("error", ignoreSocketError).on("error", onError).on("close", onClose).on("secureConnect", onReady);
	});
}

function certificateFacts(leaf: DetailedPeerCertificate): CertificateFacts {
	let chainLength = 1;
	let last = leaf;
	// Node links a self-signed certificate to itself.
	while (last.issuerCertificate && last.issuerCertificate !== last && chainLength < 20) {
		last = last.issuerCertificate;
		chainLength++;
	}
	const alternatives = leaf.subjectaltname ?? "";
	return {
		subject: commonName(leaf.subject) ?? alternatives.split(",")[0] ?? "",
		issuer: commonName(leaf.issuer) ?? "nobody named",
		names: alternatives === "" ? [] : alternatives.split(", ").map((name) => name.replace(/^(?:DNS|IP Address):/, "")),
		validFrom: Date.parse(leaf.valid_from),
		validTo: Date.parse(leaf.valid_to),
		selfSigned: leaf.issuerCertificate === leaf || JSON.stringify(leaf.issuer) === JSON.stringify(leaf.subject),
		namesIssuerUrl: (leaf.infoAccess?.["CA Issuers - URI"]?.length ?? 0) > 0,
		chainLength,
	};
}

function commonName(name: DetailedPeerCertificate["subject"] | undefined): string | undefined {
	const value = name?.CN ?? name?.O;
	return value === undefined ? undefined : String(value);
}

const DAY = 86_400_000;

/** Whole days from `from` to `to`. */
export function daysBetween(from: number, to: number): number {
	return Math.floor((to - from) / DAY);
}

/** What the step saw. */
export function describeTls(facts: TlsFacts): string {
	const { end, error, protocol, certificate, timeout, now, plainHttp } = facts;
	const plain = plainHttp ? "; the port answers plain HTTP" : "";
	if (end === "timeout") return `no answer to the TLS handshake within ${duration(timeout)}${plain}`;
	if (end === "closed") return `the server closed the connection during the TLS handshake${plain}`;
	if (end === "error") return `the TLS handshake failed: ${error?.words} (${error?.code})${plain}`;
	if (!certificate) return `${protocol}, the server sent no certificate`;
	return `${protocol}, certificate for ${namesOf(certificate)}, issued by ${printable(certificate.issuer, 60)}, ${validity(certificate, now)}`;
}

/** The first names, and how many there are besides. */
export function namesOf({ names, subject }: CertificateFacts): string {
	const shown = names.length === 0 ? [subject] : names.slice(0, 4);
	const rest = names.length - shown.length;
	return printable(shown.join(", ")) + (rest > 0 ? ` and ${rest} more` : "");
}

function validity({ validFrom, validTo }: CertificateFacts, now: number): string {
	const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
	if (now > validTo) return `expired on ${day(validTo)}, ${counted(daysBetween(validTo, now), "day")} ago`;
	if (now < validFrom) return `valid only from ${day(validFrom)} on`;
	return `valid until ${day(validTo)}, ${counted(daysBetween(now, validTo), "day")} left`;
}
