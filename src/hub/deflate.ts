/** `permessage-deflate` (RFC 7692) towards clients of a hub: without context takeover, so that a message is compressed once for all. */
import { extension, PerMessageDeflate } from "ws";

/** What was agreed on with one client. */
export interface Deflate {
	/** The value of `Sec-WebSocket-Extensions` in the 101. */
	readonly header: string;
	/** What reads compressed messages of the client. */
	readonly extensions: Readonly<Record<string, PerMessageDeflate>>;
}

/**
 * Accepts the first of a client's offers that can be kept; undefined when there is none, or the header cannot be read.
 * @param maxPayload bytes of a message of the client, decompressed
 */
export function agreeOnDeflate(offered: string | undefined, maxPayload: number): Deflate | undefined {
	if (offered === undefined || !offered.includes(PerMessageDeflate.extensionName)) return undefined;
	const deflate = new PerMessageDeflate({
		isServer: true,
		maxPayload,
		serverNoContextTakeover: true,
		clientNoContextTakeover: true,
		// The same bytes go to everybody, so nobody can have a smaller window.
		serverMaxWindowBits: false,
	});
	try {
		const offers = extension.parse(offered)[PerMessageDeflate.extensionName];
		if (offers === undefined) return undefined;
		const accepted = deflate.accept(offers);
		const header = extension.format({ [PerMessageDeflate.extensionName]: [accepted] });
		return { header, extensions: { [PerMessageDeflate.extensionName]: deflate } };
	} catch {
		// An offer that makes no sense is not accepted (RFC 7692 §5.1); the connection goes on without.
		return undefined;
	}
}
