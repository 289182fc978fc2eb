/** The stage for one configuration: recording backends, the real nginx, and the files with their addresses in place. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { certificate } from "../harness/certs.ts";
import { until } from "../harness/poll.ts";
import { freePort } from "../harness/ports.ts";
import { acceptFor } from "../harness/raw-peer.ts";
import type { Fixture } from "./import-nginx.fixtures.ts";

const NGINX = "/usr/sbin/nginx";
const FOLDER = fileURLToPath(new URL("../fixtures/nginx/", import.meta.url));

/** What a backend saw. */
export interface Seen {
	/** As in the fixture: `127.0.0.1:4101`. */
	readonly backend: string;
	readonly target: string;
	readonly host: string;
	readonly upgraded: boolean;
}

export interface Stage {
	/** The configuration with the stage's addresses, for the importer. */
	readonly file: string;
	readonly folder: string;
	/** The port in the fixture of each port on this machine. */
	readonly ports: ReadonlyMap<number, number>;
	/** The fixture's text, the included files too. */
	readonly text: string;
}

/** Sets everything up and starts nginx; all of it goes away with the test. */
export async function setUp(fixture: Fixture): Promise<Stage> {
	if (!existsSync(NGINX))
		throw new Error(`${NGINX} is missing: install the Debian package nginx (apt-get install nginx)`);
	const folder = await mkdtemp(join(tmpdir(), "clawgate-nginx-"));
	onTestFinished(() => rm(folder, { recursive: true, force: true }));
	const [original, real] = [join(folder, "import"), join(folder, "nginx")];
	for (const each of [original, real]) {
		await mkdir(join(each, "certs"), { recursive: true });
		await mkdir(join(each, "logs"));
		for (const name of ["conf.d", "snippets"]) await cp(join(FOLDER, name), join(each, name), { recursive: true });
		for (const [name, content] of Object.entries(fixture.files ?? {})) await writeFile(join(each, name), content);
		for (const name of ["mime.types", "fastcgi_params"]) await writeFile(join(each, name), "");
		for (const [name, names] of Object.entries(fixture.certificates ?? {})) {
			const made = await certificate(names);
			await writeFile(join(each, `certs/${name}.pem`), made.cert);
			await writeFile(join(each, `certs/${name}.key`), made.key, { mode: 0o600 });
		}
	}
	const main = await readFile(join(FOLDER, `${fixture.name}.conf`), "utf8");
	const files = new Map([["nginx.conf", main]]);
	for (const name of main.includes("conf.d") ? ["conf.d", "snippets"] : []) {
		for (const file of await readdir(join(FOLDER, name))) {
			files.set(join(name, file), await readFile(join(FOLDER, name, file), "utf8"));
		}
	}
	const text = [...files.values()].join("\n");
	const addresses = await startBackends(fixture, text, folder);
	const ports = new Map<number, number>();
	for (const [, port] of text.matchAll(/^\s*listen (?:\[::\]:)?(\d+)/gm)) {
		if (![...ports.values()].includes(Number(port))) ports.set(await freePort(), Number(port));
	}
	for (const [name, content] of files) {
		const staged = withAddresses(content, addresses, ports);
		await writeFile(join(original, name), staged);
		await writeFile(join(real, name), forNginx(staged, name, folder));
	}
	await startNginx(real, [...ports.keys()]);
	return { file: "nginx.conf", folder: original, ports, text };
}

/** `127.0.0.1:4101`, `broker-a.test:9001`, `unix:/run/x.sock` of a fixture; not what it listens on. */
const BACKEND = /unix:(?:\/[\w.-]+)+|(?<![\w.])(?:\d+\.\d+\.\d+\.\d+|localhost|[\w-]+\.test):\d+/g;

function withAddresses(
	text: string,
	addresses: ReadonlyMap<string, string>,
	ports: ReadonlyMap<number, number>,
): string {
	const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
	const portOf = (original: string) => [...ports].find(([, port]) => port === Number(original))?.[0];
	return text
		.replace(BACKEND, (address) => addresses.get(address) ?? address)
		.replace(/^(\s*)listen \[::\]:(\d+)/gm, (_, space, port) =>
			hasIpv6 ? `${space}listen [::1]:${portOf(port)}` : `${space}listen 127.0.0.1:${portOf(port)}`,
		)
		.replace(/^(\s*)listen (\d+)/gm, (_, space, port) => `${space}listen 127.0.0.1:${portOf(port)}`)
		.replace(hasIpv6 ? /$^/ : /(listen 127\.0\.0\.1:\d+[^;]*;)\s*\1/g, "$1");
}

/**
 * The same for nginx itself: what concerns the process is the test's own, and each answer tells the line of the server or
 * location that gave it. Lines stay where they are.
 */
function forNginx(text: string, name: string, folder: string): string {
	const line = (at: number) => text.slice(0, at).split("\n").length;
	const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
		(kind) => `${kind}_temp_path ${folder}/${kind};`,
	);
	return text
		.replace(/((?:^|\s)location\s(?:"[^"]*"|[^"{])+|^\s*server\s)\{/gm, (whole, start: string, at: number) => {
			const place = line(at + start.search(/\S/));
			return `${whole} add_header X-Place "${name}:${place}" always;`;
		})
		.replace(/^(?:user|pid|daemon|master_process|worker_\w+|load_module)\s[^;]*;/gm, "")
		.replace(/^http \{/m, `http { ${temporary.join(" ")} ${text.includes("access_log logs") ? "" : "access_log off;"}`);
}

async function startNginx(folder: string, ports: readonly number[]): Promise<void> {
	const globals = `daemon off; master_process off; pid ${folder}/nginx.pid;`;
	const child = spawn(NGINX, ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`, "-g", globals], {
		stdio: ["ignore", "ignore", "pipe"],
	});
	let said = "";
	let ended = false;
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		said += text;
	});
	const exit = once(child, "exit").then(() => {
		ended = true;
	});
	onTestFinished(async () => {
		child.kill("SIGTERM");
		await exit;
	});
	for (const port of ports) {
		await until(
			() => {
				if (ended) throw new Error(`nginx has ended: ${said}`);
				return listens(port);
			},
			{ what: `nginx on port ${port}` },
		);
	}
}

function listens(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ port, host: "127.0.0.1" });
		socket.once("error", () => resolve(false));
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
	});
}

/** A backend for each address in the text; the map has where it is now. */
async function startBackends(fixture: Fixture, text: string, folder: string): Promise<Map<string, string>> {
	const addresses = new Map<string, string>();
	for (const [address] of text.matchAll(BACKEND)) {
		if (addresses.has(address)) continue;
		if (fixture.gone?.includes(address)) addresses.set(address, `127.0.0.1:${await freePort()}`);
		else if (address.startsWith("unix:")) {
			const path = join(folder, `${addresses.size}.sock`);
			await startBackend(fixture, address, path);
			addresses.set(address, `unix:${path}`);
		} else addresses.set(address, `127.0.0.1:${await startBackend(fixture, address)}`);
	}
	return addresses;
}

/** Answers every request with what it saw. */
async function startBackend(fixture: Fixture, backend: string, path?: string): Promise<number> {
	const seen = (request: IncomingMessage, upgraded: boolean): string => {
		const what: Seen = { backend, target: request.url ?? "", host: request.headers.host ?? "", upgraded };
		return Buffer.from(JSON.stringify(what)).toString("base64url");
	};
	const answer = (request: IncomingMessage, response: ServerResponse): void => {
		const { status, headers } = fixture.answer?.(backend, request) ?? { status: 200 };
		// A refusal of an authentication service is relayed to the client: that is not the backend's answer.
		response.writeHead(status, status === 200 ? { ...headers, "X-Seen": seen(request, false) } : {});
		response.end("seen");
	};
	const server: Server = fixture.tls?.includes(backend)
		? createTlsServer(await certificate(["game.internal"]), answer)
		: createServer(answer);
	const sockets = new Set<Socket>();
	server.on("connection", (socket) => {
		sockets.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => sockets.delete(socket));
	});
	server.on("upgrade", (request: IncomingMessage, socket) => {
		socket.on("error", () => {});
		const lines = [
			"HTTP/1.1 101 Switching Protocols",
			"Upgrade: websocket",
			"Connection: Upgrade",
			`Sec-WebSocket-Accept: ${acceptFor(request.headers["sec-websocket-key"] ?? "")}`,
			`X-Seen: ${seen(request, true)}`,
		];
		socket.write(`${lines.join("\r\n")}\r\n\r\n`);
		socket.resume();
		socket.on("end", () => socket.end());
	});
	if (path === undefined) server.listen(0, "127.0.0.1");
	else server.listen(path);
	await once(server, "listening");
	onTestFinished(async () => {
		const closed = once(server, "close");
		server.close();
		for (const socket of sockets) socket.destroy();
		await closed;
	});
	return path === undefined ? (server.address() as AddressInfo).port : 0;
}
