/** When certificates expire, from the metrics: the API does not tell. */

const LINE = /^clawgate_tls_certificate_expiry_timestamp_seconds\{(.*)\} (\S+)$/;

export interface CertificateFact {
	readonly name: string;
	/** ms since the epoch. */
	readonly expires: number;
}

/** The earliest expiry by server name. */
export function certificateExpiries(metrics: string): CertificateFact[] {
	const found = new Map<string, number>();
	for (const line of metrics.split("\n")) {
		const match = LINE.exec(line);
		const name = /server_name="((?:[^"\\]|\\.)*)"/.exec(match?.[1] ?? "")?.[1];
		const expires = Number(match?.[2]) * 1000;
		if (name === undefined || !Number.isFinite(expires)) continue;
		found.set(name, Math.min(expires, found.get(name) ?? Number.POSITIVE_INFINITY));
	}
	return [...found].map(([name, expires]) => ({ name, expires }));
}
