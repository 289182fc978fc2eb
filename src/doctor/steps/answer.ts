/** Step 5: the opening handshake is sent; what comes back, to the byte. */
import type { Socket } from "node:net";
import { GatewayError } from "../../errors.ts";
import { type Answer, AnswerParser } from "../../protocol/answer.ts";
import { type ClawgateRefusal, clawgateRefusal, type KnownServer, recognise } from "../servers.ts";
import { duration, headerValues, printable } from "../words.ts";
import type { Destination } from "./url.ts";

/** What came back. */
export interface Reply {
	/**
	 * `answer`: a whole head. `silent`: no whole head in time. `closed` and `reset`: the connection ended before.
	 * `malformed`: something that is not a valid HTTP answer.
	 */
	readonly end: "answer" | "silent" | "closed" | "reset" | "malformed";
	/** What is malformed, or the socket's error code. */
	readonly error: string | undefined;
	/** The first bytes, the whole head among them. */
	readonly bytes: Buffer;
	readonly answer: Answer | undefined;
	/** Milliseconds until the head was there, or until the end. */
	readonly ms: number;
}

/** Most bytes that are kept for the report. */
const MAX_BYTES = 64 * 1024;
/** How long a refusal's body may take when its head is there. */
const BODY_TIMEOUT = 1_000;

/** Sends the head and reads one answer; resolves always. After a 101 the socket is paused; otherwise it is destroyed. */
export function ask(socket: Socket, head: string, timeout: number, now: () => number): Promise<Reply> {
	return new Promise((resolve) => {
		const started = now();
		const parser = new AnswerParser();
		const chunks: Buffer[] = [];
		let size = 0;
		let headMs: number | undefined;
		let bodyTimer: NodeJS.Timeout | undefined;

		const finish = (end: Reply["end"], answer?: Answer, error?: string): void => {
			clearTimeout(timer);
			clearTimeout(bodyTimer);
			socket.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
			if (answer?.status === 101) socket.pause();
			else socket.destroy();
			resolve({ end, error, bytes: Buffer.concat(chunks), answer, ms: headMs ?? now() - started });
		};
		/** A head that is there says enough, even when its body breaks off. */
		const endWith = (end: Reply["end"], error?: string): void => {
			const answer = parser.soFar();
			if (answer === undefined) finish(end, undefined, error);
			else finish("answer", answer);
		};
		const onData = (chunk: Buffer): void => {
			if (size < MAX_BYTES) chunks.push(chunk.subarray(0, MAX_BYTES - size));
			size += chunk.length;
			if (!beginsLikeHttp(chunks[0] as Buffer)) {
				finish("malformed", undefined, "the server sent something that is not HTTP");
				return;
			}
			try {
				const answer = parser.push(chunk);
				if (headMs === undefined && (answer ?? parser.soFar()) !== undefined) {
					headMs = now() - started;
					bodyTimer = setTimeout(() => endWith("answer"), Math.min(BODY_TIMEOUT, timeout));
				}
				if (answer !== undefined) finish("answer", answer);
			} catch (error) {
				finish("malformed", undefined, malformed(error));
			}
		};
		const onEnd = (): void => endWith("closed");
		const onError = (error: NodeJS.ErrnoException): void => endWith("reset", error.code ?? error.message);
		const onClose = (): void => endWith("closed");
		const timer = setTimeout(() => endWith("silent"), timeout);
		socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
		socket.write(head, "latin1");
	});
}

/** Whether bytes are the beginning of an HTTP answer, or too few to tell. */
export function beginsLikeHttp(bytes: Buffer): boolean {
	return "HTTP/".startsWith(bytes.toString("latin1", 0, 5));
}

function malformed(error: unknown): string {
	if (!(error instanceof GatewayError)) throw error;
	return error.message.replace(/^the backend /, "the server ");
}

/** What asking again in other ways gave; undefined = not tried, or no answer. */
export interface Trials {
	/** Status without the Origin header. */
	readonly withoutOrigin?: number | undefined;
	/** Status with the server's own origin. */
	readonly sameOrigin?: number | undefined;
	/** Whether the port takes a TLS handshake. */
	readonly tls?: boolean | undefined;
}

export interface AnswerFacts {
	readonly destination: Destination;
	readonly end: Reply["end"];
	readonly error: string | undefined;
	readonly bytes: Buffer;
	/** 0 without an answer. */
	readonly status: number;
	readonly rawHeaders: readonly string[];
	readonly body: string;
	readonly server: KnownServer | undefined;
	/** When Clawgate itself refused. */
	readonly clawgate: ClawgateRefusal | undefined;
	readonly originSent: boolean;
	readonly credentialsSent: boolean;
	readonly trials: Trials;
	readonly timeout: number;
}

/** What the causes are judged by. */
export function answerFacts(
	reply: Reply,
	asked: Pick<AnswerFacts, "destination" | "originSent" | "credentialsSent" | "timeout">,
	trials: Trials = {},
): AnswerFacts {
	const { end, error, bytes, answer } = reply;
	const rawHeaders = answer?.rawHeaders ?? [];
	const body = answer?.body.toString("utf8") ?? "";
	return {
		...asked,
		end,
		error,
		bytes,
		status: answer?.status ?? 0,
		rawHeaders,
		body,
		server: recognise(rawHeaders, body),
		clawgate: clawgateRefusal(body),
		trials,
	};
}

/** The final head as received, without its empty line. */
export function rawHead(bytes: Buffer): string {
	let text = bytes.toString("latin1");
	for (;;) {
		const end = text.indexOf("\r\n\r\n");
		if (end < 0) return text;
		if (!/^HTTP\/1\.[01] 1(?!01)\d\d/.test(text)) return text.slice(0, end);
		text = text.slice(end + 4);
	}
}

/** The head's lines, fit to be shown: no cookies, no query strings. */
export function shownHead(bytes: Buffer): string[] {
	return rawHead(bytes)
		.split("\r\n")
		.slice(0, 100)
		.map((line) => printable(line, 500))
		.map((line) =>
			line.replace(/^(set-cookie:\s*[^=;]*).*/i, "$1=***").replace(/^((?:content-)?location:[^?]*)\?.*/i, "$1?…"),
		);
}

/** What the step saw. */
export function describeAnswer(facts: AnswerFacts): string {
	const { end, bytes, timeout, error } = facts;
	const some = bytes.length > 0 ? ` after ${JSON.stringify(printable(bytes.toString("latin1", 0, 200), 60))}` : "";
	switch (end) {
		case "silent":
			return `no answer to the opening handshake within ${duration(timeout)}${some}`;
		case "closed":
			return `the server closed the connection without a whole answer${some}`;
		case "reset":
			return `the connection was reset before a whole answer (${error})${some}`;
		case "malformed":
			return `${error}; it begins with ${JSON.stringify(printable(bytes.toString("latin1", 0, 200), 60))}`;
		case "answer":
			return describeHead(facts);
	}
}

function describeHead({ bytes, rawHeaders, server, body, status, clawgate, trials }: AnswerFacts): string {
	const statusLine = printable((rawHead(bytes).split("\r\n", 1)[0] ?? "").replace(/^HTTP\/1\.1 /, ""));
	const parts = [statusLine];
	const names = headerValues(rawHeaders, "server");
	if (names[0] !== undefined) parts.push(`Server: ${printable(names[0], 60)}`);
	else if (server) parts.push(`it looks like ${server.name}`);
	const location = headerValues(rawHeaders, "location")[0];
	if (location !== undefined) parts.push(`Location: ${printable(location.replace(/\?.*/, "?…"))}`);
	const authenticate = headerValues(rawHeaders, "www-authenticate")[0];
	if (authenticate !== undefined) parts.push(`WWW-Authenticate: ${printable(authenticate, 80)}`);
	const retryAfter = headerValues(rawHeaders, "retry-after")[0];
	if (retryAfter !== undefined) parts.push(`Retry-After: ${printable(retryAfter, 40)}`);
	if (clawgate) parts.push(`${clawgate.code}: ${printable(clawgate.hint)}`);
	else if (status !== 101 && /^[^<]/.test(body.trim())) parts.push(`body ${JSON.stringify(printable(body, 100))}`);
	if (trials.withoutOrigin !== undefined) parts.push(`without Origin: ${trials.withoutOrigin}`);
	if (trials.sameOrigin !== undefined) parts.push(`with the server's own origin: ${trials.sameOrigin}`);
	return parts.join(", ");
}
