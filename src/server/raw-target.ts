/**
 * Bytes above 0x7f in a request target. No URL has them (RFC 3986), but old clients send them, and servers behind us take
 * them; Node's parser refuses them since 20.20. The request is put back with these bytes percent-encoded, read once more,
 * and whoever reads its target gets the bytes that were sent.
 */
import type { Socket } from "node:net";
import { noteTarget } from "../gateway/incoming.ts";

/** Node's parser; these methods are not documented. */
interface Parser {
	_consumed?: boolean;
	unconsume(): void;
	/** Out of the list of those whose head is awaited. */
	remove(): void;
}

type ParsedSocket = Socket & { parser?: Partial<Parser> | null; readableFlowing: boolean | null };

/** Node's own listeners on a socket that it parses. */
const NODES_LISTENER = /^(?:bound )?(?:socketOn|onSocket)/;
const REQUEST_LINE = /^[A-Z]+ \/[^\s]* HTTP\/1\.[01]\r?\n/;

/**
 * Makes a socket whose request could not be parsed as it was before that request, with its target encoded. False, and
 * nothing has changed, when that is not what is wrong, or not all of the request line is there.
 */
export function encodeTarget(
	socket: Socket,
	error: NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number },
): boolean {
	const { rawPacket, bytesParsed } = error;
	if (error.code !== "HPE_INVALID_URL" || rawPacket === undefined || bytesParsed === undefined) return false;
	const rest = rawPacket.subarray(rawPacket.lastIndexOf(0x0a, bytesParsed) + 1);
	const [line] = REQUEST_LINE.exec(rest.toString("latin1")) ?? [];
	if (line === undefined || !/[\x80-\xff]/.test(line)) return false;
	if (!takeBack(socket)) return false;
	const encoded = line.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
	noteTarget(socket, targetOf(encoded), targetOf(line));
	socket.unshift(Buffer.concat([Buffer.from(encoded, "latin1"), rest.subarray(line.length)]));
	return true;
}

function targetOf(line: string): string {
	return line.split(" ")[1] as string;
}

/** Takes a socket away from Node's parser, as Node does for an upgrade. */
function takeBack(socket: ParsedSocket): boolean {
	const { parser } = socket;
	if (typeof parser?.unconsume !== "function" || typeof parser.remove !== "function") return false;
	for (const event of ["data", "end", "close", "drain", "timeout", "error", "pause", "resume"] as const) {
		for (const listener of socket.listeners(event)) {
			if (NODES_LISTENER.test(listener.name)) socket.removeListener(event, listener as () => void);
		}
	}
	if (parser._consumed) parser.unconsume();
	parser._consumed = false;
	parser.remove();
	socket.parser = null;
	socket.readableFlowing = null;
	return true;
}
