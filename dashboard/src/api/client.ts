/** Requests to the admin API of the gateway that served this page. */
import { type Signal, signal } from "@preact/signals";
import type { Session } from "../state/session.ts";

/** The gateway said no. The message is its own: what is wrong, and with which field. */
export class ApiFailure extends Error {
	override readonly name = "ApiFailure";
	readonly status: number;
	readonly code: string;
	/** The whole answer: a rejected reload has its problems there. */
	readonly body: unknown;

	constructor(status: number, code: string, message: string, body: unknown) {
		super(message);
		this.status = status;
		this.code = code;
		this.body = body;
	}
}

export interface Client {
	/** Since when requests get no answer, ms since the epoch; undefined while they do. */
	readonly unreachableSince: Signal<number | undefined>;
	/**
	 * GET under /api/v1.
	 * @throws ApiFailure; TypeError when there is no answer; DOMException when aborted
	 */
	get<T>(path: string, abort?: AbortSignal): Promise<T>;
	/** A change: POST, PATCH or DELETE under /api/v1, with a JSON body. Throws what {@link get} throws. */
	change<T>(method: "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<T>;
	/** The answer itself, for what is not JSON. `path` is relative to the page. */
	open(path: string, init?: RequestInit): Promise<Response>;
}

const TIMEOUT_MS = 15_000;

/** @param base address of the page; the API is below it, also behind a proxy that puts a prefix before it */
export function createClient(session: Session, base: string, now: () => number): Client {
	const unreachableSince = signal<number | undefined>(undefined);

	const open = async (path: string, init: RequestInit = {}): Promise<Response> => {
		const headers = new Headers(init.headers);
		const token = session.token.value;
		if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
		let response: Response;
		try {
			response = await fetch(new URL(path, base), { ...init, headers, cache: "no-store", credentials: "same-origin" });
		} catch (error) {
			if (!init.signal?.aborted || isTimeout(init.signal)) unreachableSince.value ??= now();
			throw error;
		}
		unreachableSince.value = undefined;
		if (response.status === 401) session.refused(token);
		return response;
	};

	const json = async <T>(path: string, init: RequestInit): Promise<T> => {
		const response = await open(`api/v1/${path}`, init);
		const body: unknown = await response.json().catch(() => undefined);
		if (response.ok) return body as T;
		const { code = "", message = `HTTP ${response.status}` } = errorOf(body);
		throw new ApiFailure(response.status, code, message, body);
	};

	return {
		unreachableSince,
		open,
		get: (path, abort) => json(path, { signal: withTimeout(abort) }),
		change: (method, path, body = {}) =>
			json(path, {
				method,
				body: JSON.stringify(body),
				headers: { "Content-Type": "application/json" },
				signal: withTimeout(undefined),
			}),
	};
}

/** A path below /api/v1 with a query; what is undefined or empty is left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
	const parameters = new URLSearchParams();
	for (const [name, value] of Object.entries(query)) {
		if (value !== undefined && value !== "") parameters.set(name, String(value));
	}
	const text = parameters.toString();
	return text === "" ? path : `${path}?${text}`;
}

function withTimeout(abort: AbortSignal | undefined): AbortSignal {
	const timeout = AbortSignal.timeout(TIMEOUT_MS);
	return abort ? AbortSignal.any([abort, timeout]) : timeout;
}

function isTimeout(abort: AbortSignal): boolean {
	return abort.reason instanceof DOMException && abort.reason.name === "TimeoutError";
}

function errorOf(body: unknown): { code?: string; message?: string } {
	const error = (body as { error?: { code?: string; message?: string } } | undefined)?.error;
	return error ?? {};
}
