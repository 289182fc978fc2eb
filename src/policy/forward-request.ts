/** The question to a server of `auth.forward`, and its answer in three kinds. */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp, STATUS_CODES } from "node:http";
import { request as requestHttps } from "node:https";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError, type RelayedAnswer } from "../errors.ts";
import { backendHeaders, stripHopByHop, withoutContentLength } from "../protocol/headers.ts";
import type { GatewayRequest } from "../protocol/request.ts";
import type { AuthAgents } from "./forward-agents.ts";

/** As for a backend's refusal. */
const MAX_BODY = 64 * 1024;

export type AuthAnswer =
	| { readonly kind: "allowed"; readonly headers: IncomingHttpHeaders }
	| { readonly kind: "denied"; readonly answer: RelayedAnswer }
	| { readonly kind: "unavailable"; readonly message: string };

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
 * The client's end-to-end headers without those of the handshake and of the body, and what was asked for, in the names
 * of Traefik (X-Forwarded-Method, -Uri) and nginx (X-Original-Method, -URI, -URL).
 */
export function questionHeaders(request: GatewayRequest, connectionId: string, url: URL): string[] {
	const target = request.query === undefined ? request.path : `${request.path}?${request.query}`;
	const scheme = request.secure ? "https" : "http";
	const asked = [
		["X-Forwarded-Method", request.method],
		["X-Forwarded-Uri", target],
		["X-Original-Method", request.method],
		["X-Original-URI", target],
		["X-Original-URL", `${scheme}://${request.authority}${target}`],
	].flat();
	const list = backendHeaders({ request, connectionId, checkHeaders: asked });
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
		const settle = (answer: AuthAnswer | "stale"): void => {
			clearTimeout(timer);
			signal.removeEventListener("abort", onAbort);
			resolve(answer);
		};
		const fail = (message: string): void => {
			settle({ kind: "unavailable", message });
			outgoing.destroy();
		};
		const onAbort = (): void => {
			clearTimeout(timer);
			reject(new GatewayError("CLIENT_GONE"));
			outgoing.destroy();
		};
		const timer = setTimeout(() => fail(`no answer within ${timeout} ms`), timeout);
		signal.addEventListener("abort", onAbort, { once: true });
		outgoing.on("error", (error: NodeJS.ErrnoException) => {
			if (reuse && outgoing.reusedSocket && error.code === "ECONNRESET") settle("stale");
			else fail(error.code ?? error.message);
		});
		outgoing.on("upgrade", (_response, socket) => {
			socket.destroy();
			fail("it answered 101");
		});
		outgoing.on("response", (response) => {
			const status = response.statusCode as number;
			response.on("error", () => fail("the answer broke off"));
			if (status >= 200 && status < 300) {
				response.resume();
				settle({ kind: "allowed", headers: response.headers });
			} else if (status >= 500) {
				response.resume();
				settle({ kind: "unavailable", message: `it answered ${status}` });
			} else {
				collect(response, (body) => {
					settle({ kind: "denied", answer: relayed(response, body) });
					outgoing.destroy();
				});
			}
		});
		outgoing.end();
	});
}

/** At most {@link MAX_BODY} bytes of the body. */
function collect(response: IncomingMessage, done: (body: Buffer) => void): void {
	const chunks: Buffer[] = [];
	let bytes = 0;
	response.on("data", (chunk: Buffer) => {
		if (bytes >= MAX_BODY) return;
		chunks.push(chunk.subarray(0, MAX_BODY - bytes));
		bytes += chunk.length;
		if (bytes >= MAX_BODY) done(Buffer.concat(chunks));
	});
	response.on("end", () => {
		if (bytes < MAX_BODY) done(Buffer.concat(chunks));
	});
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
