/** A gateway with an admin port and one upstream, and a client for its API. */
import { request } from "node:http";
import type { TestGateway } from "../harness/gateway.ts";

export interface ApiAnswer {
	readonly status: number;
	readonly headers: Readonly<Record<string, string | string[] | undefined>>;
	readonly text: string;
	// The shape is what the tests are about.
	// biome-ignore lint/suspicious/noExplicitAny: parsed JSON of many shapes
	readonly json: any;
}

export interface Ask {
	readonly method?: string;
	/** Sent as JSON; a string is sent as it is. */
	readonly body?: unknown;
	readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the API: `api(gateway.handle, "connections?limit=1")`. A change has the media type that it needs. */
export function api(
	{ adminPort }: Pick<TestGateway["handle"], "adminPort">,
	path: string,
	{ method = "GET", body, headers = {} }: Ask = {},
): Promise<ApiAnswer> {
	const content = typeof body === "string" ? body : method === "GET" ? "" : JSON.stringify(body ?? {});
	// Node frames the body of a DELETE only when it is told how long it is.
	const length =
		headers["transfer-encoding"] === undefined ? { "content-length": `${Buffer.byteLength(content)}` } : {};
	const type = method === "GET" ? {} : { "content-type": "application/json", ...length };
	return new Promise((resolve, reject) => {
		const sent = request(
			{
				host: "127.0.0.1",
				port: adminPort,
				method,
				path: path.startsWith("/") ? path : `/api/v1/${path}`,
				agent: false,
				headers: { ...type, ...headers },
			},
			(response) => {
				let text = "";
				response.setEncoding("utf8");
				response.on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("error", reject);
				response.on("end", () => {
					const isJson = String(response.headers["content-type"]).startsWith("application/json");
					resolve({
						status: response.statusCode ?? 0,
						headers: response.headers,
						text,
						json: isJson && text !== "" ? JSON.parse(text) : undefined,
					});
				});
			},
		);
		sent.on("error", reject);
		sent.end(content);
	});
}

/** One listener, an admin port, one route for each path prefix to an upstream of the same name. */
export function adminYaml(upstreams: Readonly<Record<string, readonly string[]>>, more = ""): string {
	const pools = Object.entries(upstreams).map(([name, urls]) => `${name}: { endpoints: ${JSON.stringify(urls)} }`);
	const routes = Object.keys(upstreams).map(
		(name) =>
			`- { name: ${name}, match: { path_prefix: /${name} }, upstream: ${name}, drain: { spread: 0s, timeout: 5s } }`,
	);
	return [
		`listeners: [{ name: main, address: "127.0.0.1:0" }]`,
		`admin: { address: "127.0.0.1:0" }`,
		"upstreams:",
		...pools.map((line) => `  ${line}`),
		"routes:",
		...routes.map((line) => `  ${line}`),
		more,
	].join("\n");
}
