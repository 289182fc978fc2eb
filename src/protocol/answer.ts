/**
 * A backend's answer to an opening handshake, parsed as it arrives (RFC 9112 §4, §5, §6, §7.1). Strict on purpose: what
 * two parsers could read differently is refused, unless the operator asks for leniency.
 */
import { GatewayError } from "../errors.ts";
import { NO_COLON, stripHopByHop, withoutContentLength } from "./headers.ts";

/** Most bytes of all heads together, interim ones included. */
const MAX_HEAD = 64 * 1024;
/** Most bytes of a refusal's body that are kept. */
const MAX_BODY = 64 * 1024;
/** Most interim answers (1xx other than 101) before the final one. */
const MAX_INTERIM = 8;
/** Longest line with a chunk's size and extensions. */
const MAX_CHUNK_LINE = 256;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** 13 digits stay below 2^53. */
const CHUNK_LINE = /^([0-9A-Fa-f]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;
const LENGTH = /^\d{1,15}$/;

const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);
const BROKEN = null;

/** A complete answer. */
export interface Answer {
	readonly status: number;
	readonly statusText: string;
	/** Name, value, name, value … as received. */
	readonly rawHeaders: string[];
	/** After a 101: the first bytes of the tunnel. */
	readonly rest: Buffer;
	/** Of any other status: the body without chunked coding, at most 64 KiB. */
	readonly body: Buffer;
}

type State = "status" | "headers" | "length" | "until-close" | "chunk-size" | "chunk-data" | "chunk-end" | "trailers";

/**
 * Reads one answer: {@link push} what arrives until it returns the answer, {@link end} on FIN. How the bytes are cut has
 * no influence on the result, and each byte is looked at a fixed number of times.
 */
export class AnswerParser {
	readonly #lenient: boolean;
	#state: State = "status";
	#headBytes = 0;
	#interim = 0;
	#minor = "";
	#status = 0;
	#statusText = "";
	#rawHeaders: string[] = [];
	/** The beginning of a line that has not ended. */
	#line: Buffer[] = [];
	#lineBytes = 0;
	#body: Buffer[] = [];
	#bodyBytes = 0;
	/** Bytes that the body or chunk still has. */
	#remaining = 0;

	/** @param lenient also takes lines that end with LF alone, and a 101 of HTTP/1.0 or with malformed header lines */
	constructor(lenient = false) {
		this.#lenient = lenient;
	}

	/**
	 * Takes the next bytes; returns the answer once it is complete.
	 * @throws GatewayError BAD_BACKEND_HANDSHAKE when the head is not valid; a body that breaks off or breaks its framing
	 *   ends where it does, since the status says enough
	 */
	push(chunk: Buffer): Answer | undefined {
		let at = 0;
		while (at < chunk.length) {
			switch (this.#state) {
				case "length":
				case "until-close":
				case "chunk-data":
					at = this.#takeBody(chunk, at);
					break;
				default: {
					const lineFeed = chunk.indexOf(LF, at);
					const end = lineFeed < 0 ? chunk.length : lineFeed + 1;
					const line = this.#takeLine(chunk, at, end, lineFeed >= 0);
					at = end;
					if (line === undefined) break;
					if (line === BROKEN) return this.#finish(EMPTY);
					if (this.#inHead) this.#headLine(line);
					else if (!this.#bodyLine(line)) return this.#finish(EMPTY);
				}
			}
			if (this.#complete()) return this.#finish(chunk.subarray(at));
		}
		return undefined;
	}

	/**
	 * The backend will send no more.
	 * @throws GatewayError BAD_BACKEND_HANDSHAKE when there is no complete head
	 */
	end(): Answer {
		const answer = this.soFar();
		if (answer !== undefined) return answer;
		throw this.#headBytes === 0
			? bad("closed the connection without answering the opening handshake")
			: bad("closed the connection in the middle of its answer's head");
	}

	/** The answer with as much of its body as there is; undefined when the head is not complete. */
	soFar(): Answer | undefined {
		return this.#inHead ? undefined : this.#finish(EMPTY);
	}

	/** Whether a header line may be anything that is text. */
	get #anyLine(): boolean {
		return this.#lenient && this.#status === 101;
	}

	get #inHead(): boolean {
		return this.#state === "status" || this.#state === "headers";
	}

	/** Whether everything that belongs to the answer, or is kept of it, has been read. */
	#complete(): boolean {
		if (this.#inHead) return false;
		if (this.#status === 101 || this.#bodyBytes === MAX_BODY) return true;
		return this.#state === "length" && this.#remaining === 0;
	}

	#finish(rest: Buffer): Answer {
		return {
			status: this.#status,
			statusText: this.#statusText,
			rawHeaders: this.#rawHeaders,
			rest,
			body: this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body),
		};
	}

	/** Adds to the line under way; returns it when it ends, {@link BROKEN} when it cannot be one any more (bodies only). */
	#takeLine(chunk: Buffer, start: number, end: number, ended: boolean): string | typeof BROKEN | undefined {
		const length = this.#lineBytes + end - start;
		if (this.#inHead) {
			this.#headBytes += end - start;
			if (this.#headBytes > MAX_HEAD) throw bad("sent an answer with more than 64 KiB of headers");
		} else if (length > MAX_CHUNK_LINE && this.#state !== "trailers") {
			return BROKEN;
		} else if (this.#state === "trailers") {
			this.#headBytes += end - start;
			if (this.#headBytes > MAX_HEAD) return BROKEN;
		}
		let bytes = chunk.subarray(start, end);
		if (!ended) {
			// A copy of few bytes: the read buffer would stay alive for them.
			this.#line.push(Buffer.from(bytes));
			this.#lineBytes = length;
			return undefined;
		}
		if (this.#line.length > 0) {
			bytes = Buffer.concat([...this.#line, bytes]);
			this.#line = [];
			this.#lineBytes = 0;
		}
		if (bytes.length < 2 || bytes[bytes.length - 2] !== CR) {
			if (this.#inHead && this.#lenient) return bytes.toString("latin1", 0, bytes.length - 1);
			if (this.#inHead) throw bad("sent a line that does not end with CR LF; it may not be an HTTP server");
			return BROKEN;
		}
		return bytes.toString("latin1", 0, bytes.length - 2);
	}

	#headLine(line: string): void {
		if (this.#state === "status") {
			const match = STATUS_LINE.exec(line);
			if (!match) throw bad("sent something that is not an HTTP/1.1 answer; check the endpoint's port and scheme");
			this.#minor = match[1] as string;
			this.#status = Number(match[2]);
			this.#statusText = match[3] ?? "";
			this.#rawHeaders = [];
			this.#state = "headers";
			return;
		}
		if (line !== "") {
			const colon = line.indexOf(":");
			const name = line.slice(0, Math.max(0, colon));
			const value = line.slice(colon + 1);
			if (FIELD_NAME.test(name) && FIELD_VALUE.test(value)) this.#rawHeaders.push(name, trimBlanks(value));
			else if (this.#anyLine && FIELD_VALUE.test(line)) this.#rawHeaders.push(line, NO_COLON);
			else throw bad("sent an answer with a malformed header line");
			return;
		}
		if (this.#status === 101) {
			if (this.#minor !== "1" && !this.#lenient) throw bad("answered 101 with HTTP/1.0");
			this.#state = "until-close";
		} else if (this.#status < 200) {
			this.#interim++;
			if (this.#interim > MAX_INTERIM) throw bad(`sent more than ${MAX_INTERIM} interim answers`);
			this.#state = "status";
		} else {
			this.#frameBody();
		}
	}

	/** How the body ends (RFC 9112 §6.3). */
	#frameBody(): void {
		let length: string | undefined;
		let coding: string | undefined;
		for (let i = 0; i < this.#rawHeaders.length; i += 2) {
			const name = (this.#rawHeaders[i] as string).toLowerCase();
			const value = this.#rawHeaders[i + 1] as string;
			if (name === "transfer-encoding") {
				coding = coding === undefined ? value.toLowerCase() : `${coding},${value.toLowerCase()}`;
			} else if (name === "content-length") {
				if (!LENGTH.test(value)) throw bad("sent a Content-Length that is not a number");
				if (length !== undefined && length !== value) throw bad("sent two different Content-Length headers");
				length = value;
			}
		}
		if (coding !== undefined) {
			if (length !== undefined) throw bad("sent both Content-Length and Transfer-Encoding");
			if (coding !== "chunked" || this.#minor === "0") throw bad("sent a Transfer-Encoding other than chunked");
		}
		if (this.#status === 204 || this.#status === 304) this.#state = "length";
		else if (coding !== undefined) this.#state = "chunk-size";
		else if (length === undefined) this.#state = "until-close";
		else {
			this.#state = "length";
			this.#remaining = Number(length);
		}
	}

	/** A line of the chunked coding (RFC 9112 §7.1); false when the body is over, or broken. */
	#bodyLine(line: string): boolean {
		switch (this.#state) {
			case "chunk-size": {
				const match = CHUNK_LINE.exec(line);
				if (!match) return false;
				this.#remaining = Number.parseInt(match[1] as string, 16);
				this.#state = this.#remaining === 0 ? "trailers" : "chunk-data";
				return true;
			}
			case "chunk-end":
				this.#state = "chunk-size";
				return line === "";
			default:
				return line !== "";
		}
	}

	#takeBody(chunk: Buffer, start: number): number {
		const wanted = this.#state === "until-close" ? Number.POSITIVE_INFINITY : this.#remaining;
		const length = Math.min(chunk.length - start, wanted, MAX_BODY - this.#bodyBytes);
		this.#body.push(Buffer.from(chunk.subarray(start, start + length)));
		this.#bodyBytes += length;
		this.#remaining -= length;
		if (this.#state === "chunk-data" && this.#remaining === 0) this.#state = "chunk-end";
		return start + length;
	}
}

/**
 * The headers of a refusal as they can be relayed with `body`: end-to-end ones, with a Content-Length that is right even
 * when the body was chunked or cut.
 */
export function refusalHeaders(answer: Answer): string[] {
	const headers = withoutContentLength(stripHopByHop(answer.rawHeaders, answer.status));
	if (answer.status !== 204 && answer.status !== 304) headers.push("Content-Length", String(answer.body.length));
	return headers;
}

/** Without optional whitespace around it (RFC 9110 §5.6.3); `trim()` would also take bytes of UTF-8 text. */
function trimBlanks(value: string): string {
	let start = 0;
	let end = value.length;
	while (start < end && isBlank(value.charCodeAt(start))) start++;
	while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
	return value.slice(start, end);
}

function isBlank(code: number): boolean {
	return code === 0x20 || code === 0x09;
}

function bad(what: string): GatewayError {
	return new GatewayError("BAD_BACKEND_HANDSHAKE", `the backend ${what}`, { retry: "bad_handshake" });
}
