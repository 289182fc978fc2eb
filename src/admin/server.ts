/** The admin port: a small HTTP server of its own, apart from the listeners. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type ListenAddress, listen } from "../protocol/listen.ts";
import { isOwnHost, tokenCheck } from "./guard.ts";
import { Places } from "./places.ts";
import { sendError } from "./respond.ts";
import { type AdminRoute, AdminRouter } from "./router.ts";

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** For a client that does not read its answer; an open stream has to send something more often. */
const SILENCE_TIMEOUT_MS = 60_000;
/** What requests under way get when the server is closed. */
const CLOSE_GRACE_MS = 1000;

/** What can change while the address is open. */
export interface AdminSettings {
	/** Bearer token for everything but public routes; none when absent or empty. */
	readonly token?: string | undefined;
	readonly routes: readonly AdminRoute[];
}

export interface AdminOptions extends AdminSettings {
	readonly address: ListenAddress;
	/** A handler or the server itself failed. Default: a process warning on stderr. */
	readonly onError?: (error: Error, where: string) => void;
}

export interface AdminServer {
	/** As `server.address()` gives it: the port when 0 was asked for, or the unix socket's path. */
	readonly address: AddressInfo | string;
	/** Other routes and another token, from the next request on; the address stays open. */
	configure(settings: AdminSettings): void;
	/** Stops listening, ends idle connections at once and the others after a second at most. */
	close(): Promise<void>;
}

/**
 * Starts the admin port.
 *
 * @throws {ListenError} the address cannot be listened on.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
	const onError = options.onError ?? ((error, where) => process.emitWarning(`${where}: ${error.message}`));
	const places = new Places();
	let serve = requestListener(options, places, onError);
	const server = createServer(
		{ headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1000 },
		(request, response) => serve(request, response),
	);
	server.on("connection", (socket) => places.admit(socket));
	server.setTimeout(SILENCE_TIMEOUT_MS);
	server.on("clientError", answerClientError);
	const address = await listen(server, options.address, "admin.address");
	server.on("error", (error) => onError(error, "admin server"));
	return {
		address,
		configure: (settings) => {
			serve = requestListener({ ...options, ...settings }, places, onError);
		},
		close: () => close(server),
	};
}

function requestListener(options: AdminOptions, places: Places, onError: (error: Error, where: string) => void) {
	const router = new AdminRouter(options.routes);
	const hasToken = options.token ? tokenCheck(options.token) : undefined;
	// No browser gets to a unix socket, and a token is something a rebinding page does not have.
	const checksHost = !hasToken && options.address.path === undefined;

	return (http: IncomingMessage, response: ServerResponse): void => {
		const method = http.method ?? "";
		const target = http.url ?? "";
		const mark = target.indexOf("?");
		const path = mark < 0 ? target : target.slice(0, mark);
		const { socket } = http;
		places.begun(socket);
		response.once("close", () => places.ended(socket));

		if (checksHost && !isOwnHost(http.headers.host, options.address.host)) {
			const message = "the Host header is not the admin port's own; use its address, or set admin.token";
			sendError(response, path, 421, "WRONG_HOST", message);
			return;
		}
		const match = router.match(method, path);
		if (places.isSpare(socket)) {
			response.setHeader("Connection", "close");
			if (match.kind !== "found" || !match.route.probe) {
				sendError(response, path, 503, "TOO_MANY_CONNECTIONS", TOO_MANY);
				return;
			}
		}
		const isPublic = match.kind === "found" ? match.route.public : match.kind === "wrong_method" && match.public;
		if (hasToken && !isPublic && !hasToken(http.headers.authorization)) {
			response.setHeader("WWW-Authenticate", 'Bearer realm="clawgate"');
			sendError(response, path, 401, "UNAUTHORIZED", "send the admin token as Authorization: Bearer <token>");
			return;
		}
		if (match.kind === "not_found") {
			sendError(response, path, 404, "NOT_FOUND", "there is nothing at this path");
			return;
		}
		if (match.kind === "wrong_method") {
			response.setHeader("Allow", match.allow);
			sendError(response, path, 405, "METHOD_NOT_ALLOWED", `this path takes ${match.allow}`);
			return;
		}
		const { route, params } = match;
		const query = new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1));
		const failed = (error: unknown): void => {
			onError(error instanceof Error ? error : new Error(String(error)), `admin ${route.method} ${route.path}`);
			if (response.headersSent) response.destroy();
			else sendError(response, path, 500, "INTERNAL", "an error inside the gateway; its log has the details");
		};
		try {
			const answered = route.handler({ method, path, params, query, http }, response);
			answered?.catch(failed);
		} catch (error) {
			failed(error);
		}
	};
}

const TOO_MANY = "the admin port has as many connections from this address, or in all, as it takes; close some";

const CLIENT_ERROR_STATUS: ReadonlyMap<string | undefined, string> = new Map([
	["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
	["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
]);

/** Something that is no HTTP request, or never became one. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
	if (!socket.writable || error.code === "ECONNRESET") {
		socket.destroy();
		return;
	}
	const status = CLIENT_ERROR_STATUS.get(error.code) ?? "400 Bad Request";
	socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

function close(server: Server): Promise<void> {
	return new Promise((resolve) => {
		const grace = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
		// The only error is that it is closed already, which is what is wanted.
		server.close(() => {
			clearTimeout(grace);
			resolve();
		});
		server.closeIdleConnections();
	});
}
