/** The JSON body of a change: its media type, its size, its content. */
import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";

export const MAX_BODY_BYTES = 64 * 1024;

/**
 * Reads the body; an empty one is `{}`.
 * @throws ApiError UNSUPPORTED_MEDIA_TYPE, TOO_LARGE, INVALID
 */
export async function readJsonBody(http: IncomingMessage): Promise<unknown> {
	// A form or a text is what a page of another site can send without asking first (Fetch, "CORS-safelisted").
	if (!/^application\/json *(;|$)/i.test(http.headers["content-type"] ?? "")) {
		throw new ApiError("UNSUPPORTED_MEDIA_TYPE", "send Content-Type: application/json");
	}
	const text = await readText(http);
	if (text === "") return {};
	try {
		return JSON.parse(text);
	} catch {
		// The parser's message quotes the body, which may hold a secret.
		throw new ApiError("INVALID", "the body is not valid JSON");
	}
}

async function readText(http: IncomingMessage): Promise<string> {
	if (Number(http.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
	const chunks: Buffer[] = [];
	let bytes = 0;
	try {
		for await (const chunk of http as AsyncIterable<Buffer>) {
			bytes += chunk.length;
			if (bytes > MAX_BODY_BYTES) throw tooLarge();
			chunks.push(chunk);
		}
	} catch (error) {
		// The client left: whoever could read the answer is gone, and nothing of ours failed.
		throw error instanceof ApiError ? error : new ApiError("INVALID", "the body ended early");
	}
	return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(): ApiError {
	return new ApiError("TOO_LARGE", `the body is larger than ${MAX_BODY_BYTES} bytes`);
}
