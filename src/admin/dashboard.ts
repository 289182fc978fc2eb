/** `GET /`: the dashboard's files, as the build made them. They hold no secret, so that the login form can be shown. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { extname } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { sendError } from "./respond.ts";
import type { AdminRequest, AdminRoute } from "./router.ts";

const TYPES: Readonly<Record<string, string>> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml; charset=utf-8",
};

/** Nothing but our own files runs, is shown or asked (CSP 3); nobody may put the page into a frame. */
const POLICY = [
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self'",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
	"trusted-types 'none'",
].join("; ");

const SECURITY_HEADERS = {
	"Content-Security-Policy": POLICY,
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy": "no-referrer",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
};

/** The page asks this before its first request: a request without the token would be an error in the browser's console. */
const TOKEN_MARK = '<meta name="clawgate-token" content="unknown"';

const INDEX = "index.html";

interface Asset {
	readonly type: string;
	readonly etag: string;
	readonly body: Buffer;
	readonly gzipped: Buffer;
}

/**
 * @param folder of the built files: index.html and assets/
 * @param needsToken whether the API asks for a token; the page then begins with its login form
 */
export function dashboardRoutes(folder: URL, needsToken: boolean): AdminRoute[] {
	let loaded: Promise<ReadonlyMap<string, Asset>> | undefined;
	/** Undefined as long as they were not built. */
	const files = async (): Promise<ReadonlyMap<string, Asset> | undefined> => {
		loaded ??= loadFiles(folder, needsToken);
		try {
			return await loaded;
		} catch (error) {
			loaded = undefined;
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
			throw error;
		}
	};
	return [
		{
			method: "GET",
			path: "/",
			public: true,
			handler: async (request, response) => {
				const index = (await files())?.get(INDEX);
				if (index) send(request, response, index, "no-cache");
				else sendError(response, "/", 503, "NOT_BUILT", "the dashboard was not built; run npm run build");
			},
		},
		{
			method: "GET",
			path: "/assets/{file}",
			public: true,
			handler: async (request, response) => {
				const asset = (await files())?.get(`assets/${request.params.file}`);
				// Their names change with their content.
				if (asset) send(request, response, asset, "public, max-age=31536000, immutable");
				else sendError(response, request.path, 404, "NOT_FOUND", "there is nothing at this path");
			},
		},
	];
}

function send({ http }: AdminRequest, response: ServerResponse, asset: Asset, cacheControl: string): void {
	const headers = { ...SECURITY_HEADERS, ETag: asset.etag, "Cache-Control": cacheControl, Vary: "Accept-Encoding" };
	if (isKnown(http.headers["if-none-match"], asset.etag)) {
		response.writeHead(304, headers).end();
		return;
	}
	const small = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(http.headers["accept-encoding"] ?? ""));
	const body = small ? asset.gzipped : asset.body;
	response.writeHead(200, {
		...headers,
		"Content-Type": asset.type,
		"Content-Length": body.length,
		...(small && { "Content-Encoding": "gzip" }),
	});
	response.end(body);
}

/** If-None-Match (RFC 9110 §13.1.2); the weak comparison, since the tag is the same for both encodings. */
function isKnown(header: string | undefined, etag: string): boolean {
	if (header === undefined) return false;
	return header.trim() === "*" || header.split(",").some((tag) => tag.trim() === etag);
}

/** All of them: they are few and small, and a name that is not among them does not exist. */
async function loadFiles(folder: URL, needsToken: boolean): Promise<ReadonlyMap<string, Asset>> {
	const names = (await readdir(new URL("assets/", folder))).map((name) => `assets/${name}`);
	const entries = [INDEX, ...names].map(async (name) => [name, await loadFile(folder, name, needsToken)] as const);
	return new Map(await Promise.all(entries));
}

async function loadFile(folder: URL, name: string, needsToken: boolean): Promise<Asset> {
	let body = await readFile(new URL(name, folder));
	if (name === INDEX) {
		const told = TOKEN_MARK.replace("unknown", needsToken ? "required" : "none");
		body = Buffer.from(body.toString("utf8").replace(TOKEN_MARK, told));
	}
	return {
		type: TYPES[extname(name)] ?? "application/octet-stream",
		etag: `W/"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`,
		body,
		gzipped: await promisify(gzip)(body, { level: 9 }),
	};
}
