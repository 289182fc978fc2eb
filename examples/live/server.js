/**
 * The backend of the page at `/live`: what an application does beside a hub. It holds no WebSockets. It serves the page,
 * makes tokens, publishes ratings and what the page's form says, and hears from the gateway who comes and goes.
 *
 * Alone:      PORT=7003 HUB_API=http://127.0.0.1:9091 node examples/live/server.js
 * In a test:  const server = await startLiveServer({ port: 0, hubApi });
 */
import { createHmac, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HUB = "live";
const PEOPLE_TOPIC = "lobby";
const GAMES = 4;
const TOKEN_SECONDS = 3600;
const MAX_BODY = 64 * 1024;
const MAX_NAME_LENGTH = 40;
const NAME = /^[\p{L}\p{N}_-]{1,40}$/u;
/** What routes.yaml has too. Whoever knows it can make tokens: yours is long, random and secret. */
const DEMO_SECRET = "this-secret-is-for-the-demo-only-0123456789";

/** The page, its script, and the client that it uses. */
const FILES = {
	"/live": ["./live.html", "text/html"],
	"/live/live.js": ["./live.js", "text/javascript"],
	...Object.fromEntries(
		["index", "backoff", "emitter", "hub-connection", "reconnecting-socket"].map((name) => [
			`/live/client/${name}.js`,
			[`../../dist/client/${name}.js`, "text/javascript"],
		]),
	),
};
const HEADERS = {
	"Cache-Control": "no-store",
	"Content-Security-Policy":
		"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy": "no-referrer",
};

/** Starts it on a loopback port (0 = any free one). */
export async function startLiveServer({
	port = 0,
	host = "127.0.0.1",
	hubApi = "http://127.0.0.1:9091",
	secret = DEMO_SECRET,
	every = 1000,
} = {}) {
	const ratings = new Map(Array.from({ length: GAMES }, (_, game) => [game + 1, 1500]));
	/** Ratings in a row that the hub did not take. */
	let failures = 0;

	const server = createServer((request, response) => {
		handle(request, response).catch((error) => {
			if (!(error instanceof Refusal)) console.error(`live: ${error.message}`);
			answer(response, error.status ?? 502, { error: error.status ? error.message : "the hub did not answer" });
		});
	});

	async function handle(request, response) {
		const { pathname, searchParams } = new URL(request.url ?? "/", "http://live");
		const post = request.method === "POST";
		if (pathname === "/live/events") return hearEvents(request, response);
		if (post && pathname === "/live/publish") return publishForm(request, response);
		if (request.method !== "GET" && request.method !== "HEAD") throw new Refusal(405, "use GET");
		if (pathname === "/live/token") return answer(response, 200, { token: tokenFor(searchParams.get("name") ?? "") });
		if (pathname === "/live/people") return answer(response, 200, await people());
		const file = FILES[pathname];
		if (!file) throw new Refusal(404, "not found; the page is at /live");
		const [path, type] = file;
		const body = await readFile(new URL(path, import.meta.url));
		response.writeHead(200, { ...HEADERS, "Content-Type": `${type}; charset=utf-8`, "Content-Length": body.length });
		response.end(request.method === "HEAD" ? undefined : body);
	}

	/** A JWT (HS256). In your application this comes after a login; here everybody is who they say. */
	function tokenFor(name) {
		if (!NAME.test(name)) throw new Refusal(400, `a name has letters, digits, - and _, ${MAX_NAME_LENGTH} at most`);
		const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
		const claims = { sub: name, exp: Math.floor(Date.now() / 1000) + TOKEN_SECONDS };
		const input = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
		return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
	}

	/** What the page's form says, published for it: the hub's API itself is never public. */
	async function publishForm(request, response) {
		const { topic, data } = parse(await bodyOf(request));
		if (typeof topic !== "string" || data === undefined) throw new Refusal(400, "send topic and data");
		const { error, result } = await ask("publish", { topic, data });
		answer(response, error ? 400 : 200, error ? { error: error.message } : { offset: result.offset });
	}

	/** The gateway tells who came and went; everybody else is kept out, as their requests come through the gateway. */
	async function hearEvents(request, response) {
		if (request.headers["x-forwarded-for"] !== undefined) throw new Refusal(403, "for the gateway only");
		if (request.method === "OPTIONS") {
			response.writeHead(200, { "WebHook-Allowed-Origin": request.headers["webhook-request-origin"] ?? "*" }).end();
			return;
		}
		const events = parse(await bodyOf(request));
		answer(response, 200, {});
		if (events.some(({ data }) => data?.topic === PEOPLE_TOPIC)) {
			await ask("publish", { topic: PEOPLE_TOPIC, data: await people() });
		}
	}

	async function people() {
		const { result } = await ask("presence", { topic: PEOPLE_TOPIC });
		return [...new Set(Object.values(result.presence).map(({ user }) => user))].sort();
	}

	/** One request to the hub's API. */
	async function ask(operation, body) {
		const told = await fetch(`${hubApi}/api/${operation}`, {
			method: "POST",
			headers: { "Content-Type": "application/json" },
			body: JSON.stringify({ hub: HUB, ...body }),
			signal: AbortSignal.timeout(2000),
		});
		return await told.json();
	}

	/** One game's rating moves. */
	async function tick() {
		const game = 1 + Math.floor(Math.random() * GAMES);
		const change = Math.floor(Math.random() * 21) - 10;
		ratings.set(game, ratings.get(game) + change);
		try {
			const data = { type: "rating_update", game, rating: ratings.get(game), change, id: randomUUID() };
			await ask("publish", { topic: `rating.game.${game}`, data });
			failures = 0;
		} catch (error) {
			// The gateway may be starting still.
			if (++failures === 5) console.error(`live: ${hubApi} takes no ratings: ${error.cause?.code ?? error.message}`);
		}
	}

	await new Promise((listening, failed) => {
		server.once("error", failed);
		server.listen(port, host, listening);
	});
	const timer = setInterval(tick, every);

	return {
		port: server.address().port,
		close: () =>
			new Promise((done) => {
				clearInterval(timer);
				server.close(() => done());
				server.closeAllConnections();
			}),
	};
}

/** What is wrong with a request. */
class Refusal extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

async function bodyOf(request) {
	let text = "";
	for await (const chunk of request.setEncoding("utf8")) {
		text += chunk;
		if (text.length > MAX_BODY) throw new Refusal(413, "too long");
	}
	return text;
}

function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		throw new Refusal(400, "the body is not JSON");
	}
}

function answer(response, status, value) {
	if (response.destroyed || response.headersSent) return;
	const body = JSON.stringify(value);
	response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
	response.end(response.req.method === "HEAD" ? undefined : body);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const port = Number(process.env.PORT ?? 7003);
	const { HOST: host, HUB_API: hubApi, DEMO_SECRET: secret } = process.env;
	const server = await startLiveServer({ port, host, hubApi, secret }).catch((error) => {
		console.error(`the live server cannot listen on port ${port}: ${error.code ?? error.message}; set PORT`);
		process.exit(1);
	});
	console.log(`the live server is on http://127.0.0.1:${server.port}/live`);
	for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close().then(() => process.exit(0)));
}
