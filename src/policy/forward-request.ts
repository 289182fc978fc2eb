/** The question to a server of `auth.forward`, and its answer in three kinds. */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp, STATUS_CODES } from "node:http";
import { request as requestHttps } from "node:https";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError, type RelayedAnswer } from "../errors.ts";
import { backendHeaders, stripHopByHop, withoutContentLength } from "../protocol/headers.ts";
import { isFinalStatus } from "../protocol/status.ts";
import type { CheckContext } from "./check.ts";
import type { AuthAgents } from "./forward-agents.ts";

/** As for a backend's refusal. */
const MAX_BODY = 64 * 1024;

export type AuthAnswer =
	| { readonly kind: "allowed"; readonly headers: IncomingHttpHeaders }
	| { readonly kind: "denied"; readonly answer: RelayedAnswer }
	/** `invalid`: there was an answer, but none that could be passed on. */
	| { readonly kind: "unavailable"; readonly message: string; readonly invalid?: boolean };

export interface AuthQuestion {
	readonly url: URL;
	readonly agents: AuthAgents;
	/** Raw list, see {@link questionHeaders}. */
	readonly headers: readonly string[];
	/** For the whole answer, ms. */
	readonly timeout: number;
	readonly signal: DepartureSignal;
}

/**
 * The client's end-to-end headers without those of the handshake, of the body and those that it cannot send, what earlier
 * checks have found out, and what was asked for, in the names
 * of Traefik (X-Forwarded-Method, -Uri) and nginx (X-Original-Method, -URI, -URL).
 */
export function questionHeaders(context: Omit<CheckContext, "signal">, url: URL): string[] {
	const { request, connectionId, policy } = context;
	const target = request.query === undefined ? request.path : `${request.path}?${request.query}`;
	const scheme = request.secure ? "https" : "http";
	const asked = [
		["X-Forwarded-Method", request.method],
		["X-Forwarded-Uri", target],
		["X-Original-Method", request.method],
		["X-Original-URI", target],
		["X-Original-URL", `${scheme}://${request.authority}${target}`],
	].flat();
	const list = backendHeaders({
		request,
		connectionId,
		checkHeaders: [...asked, ...(context.headers ?? [])],
		reserved: policy.reserved,
		keepUnderscores: policy.keepUnderscores,
	});
	const headers = ["Host", url.host];
	for (let i = 0; i < list.length; i += 2) {
		const name = (list[i] as string).toLowerCase();
		if (name.startsWith("sec-websocket-") || name.startsWith("content-")) continue;
		headers.push(list[i] as string, list[i + 1] as string);
	}
	return headers;
}

/** Asks. @throws GatewayError CLIENT_GONE when the signal aborts; every other failure is an answer `unavailable` */
export async function ask(question: AuthQuestion): Promise<AuthAnswer> {
	const first = await askOnce(question);
	// The server closed the kept connection just when it was used again.
	return first === "stale" ? ((await askOnce(question, false)) as AuthAnswer) : first;
}

function askOnce({ url, agents, headers, timeout, signal }: AuthQuestion, reuse = true): Promise<AuthAnswer | "stale"> {
	return new Promise((resolve, reject) => {
		if (signal.aborted) {
			reject(new GatewayError("CLIENT_GONE"));
			return;
		}
		const secure = url.protocol === "https:";
		const agent = secure ? agents.https : agents.http;
		const outgoing = (secure ? requestHttps : requestHttp)(url, {
			method: "GET",
			headers: headers as string[],
			agent: reuse ? agent : false,
			...(agents.lookup && { lookup: agents.lookup }),
		});
		// Node leaves out what is beyond its limit without a word; the size of the head is limited already.
		outgoing.maxHeadersCount = 0;
		let answered = false;
		/** Ends a refusal with what came of its body: one that breaks off, or never ends, is a refusal. */
		let refuse: (() => void) | undefined;
		const settle = (answer: AuthAnswer | "stale"): void => {
			answered = true;
			signal.removeEventListener("abort", onAbort);
			resolve(answer);
		};
		const fail = (message: string): void => {
			if (refuse !== undefined) refuse();
			else if (!answered) settle({ kind: "unavailable", message });
			outgoing.destroy();
		};
		const onAbort = (): void => {
			reject(new GatewayError("CLIENT_GONE"));
			outgoing.destroy();
		};
		// Runs until the whole answer is there: a body that never ends must not keep its connection from others.
		const timer = setTimeout(() => fail(`no answer within ${timeout} ms`), timeout);
		outgoing.once("close", () => clearTimeout(timer));
		signal.addEventListener("abort", onAbort, { once: true });
		outgoing.on("error", (error: NodeJS.ErrnoException) => {
			if (reuse && outgoing.reusedSocket && error.code === "ECONNRESET" && !answered && !refuse) settle("stale");
			else fail(error.code ?? error.message);
		});
		outgoing.on("upgrade", (_response, socket) => {
			socket.destroy();
			fail("it answered 101");
		});
		outgoing.on("response", (response) => {
			const status = response.statusCode as number;
			response.on("error", () => fail("the answer broke off"));
			if (status >= 300 && status < 500) {
				refuse = collect(response, (body) => {
					settle({ kind: "denied", answer: relayed(response, body) });
					outgoing.destroy();
				});
				return;
			}
			let bytes = 0;
			response.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes > MAX_BODY) outgoing.destroy();
			});
			if (status >= 200 && status < 300) settle({ kind: "allowed", headers: response.headers });
			else settle({ kind: "unavailable", message: `it answered ${status}`, invalid: !isFinalStatus(status) });
		});
		outgoing.end();
	});
}

/** At most {@link MAX_BODY} bytes of the body; the returned function stops waiting for more of it. */
function collect(response: IncomingMessage, done: (body: Buffer) => void): () => void {
	const chunks: Buffer[] = [];
	let bytes = 0;
	let finished = false;
	const finish = (): void => {
		if (finished) return;
		finished = true;
		done(Buffer.concat(chunks));
	};
	response.on("data", (chunk: Buffer) => {
		chunks.push(chunk.subarray(0, MAX_BODY - bytes));
		bytes += chunk.length;
		if (bytes >= MAX_BODY) finish();
	});
	response.on("end", finish);
	return finish;
}

function relayed(response: IncomingMessage, body: Buffer): RelayedAnswer {
	const status = response.statusCode as number;
	return {
		status,
		statusText: STATUS_CODES[status] ?? "Refused",
		rawHeaders: [...withoutContentLength(stripHopByHop(response.rawHeaders)), "Content-Length", String(body.length)],
		body,
	};
}
