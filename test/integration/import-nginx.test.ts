/** Each configuration in test/fixtures/nginx in a real nginx, and its import in the gateway: the same requests, side by side. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { check } from "../../src/cli/check.ts";
import { importConfig } from "../../src/cli/import.ts";
import { formatNotes, type Imported, importNginx, type Note, summarise } from "../../src/import/nginx/index.ts";
import { startTestGateway, type TestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { FIXTURES, type Fixture } from "./import-nginx.fixtures.ts";
import { type Asked, randomRequests } from "./import-nginx.requests.ts";
import { type Seen, type Stage, setUp } from "./import-nginx.stage.ts";

const REQUESTS = 120;

/** What a client saw of one request. */
interface Answer {
	/** 1 to 5; 0 for a connection that was closed without a word. */
	readonly statusClass: number;
	readonly seen: Seen | undefined;
	/** `file:line` of the nginx block that answered. */
	readonly place: string | undefined;
	/** Values of the fixture's `told`. */
	readonly told: string;
	/** Names in the certificate. */
	readonly certificate: string | undefined;
}

describe("clawgate import nginx", () => {
	it.each(FIXTURES)("$name: the gateway does what nginx does, or has said that it does not", async (fixture) => {
		const stage = await setUp(fixture);
		const imported = importNginx(stage.file, stage.folder);
		const { text, stderr } = await runCommand(stage);
		expect(text).toBe(imported.text);
		expect(stderr).toEqual([...formatNotes(imported.notes), ...summarise(imported.notes)]);

		const gateway = await startTestGateway(
			(text as string).replaceAll(/(address: '?(?:127\.0\.0\.1|\[::1\])):\d+/g, "$1:0"),
			{
				file: join(stage.folder, "routes.yaml"),
			},
		);
		const requests = randomRequests(fixture, stage.text, REQUESTS);
		const pairs: { asked: Asked; nginx: Answer; clawgate: Answer; agent: string }[] = [];
		const listeners = Object.entries(gateway.handle.ports).filter(([name]) =>
			text?.includes(`- name: ${name}\n    address: 127.0.0.1`),
		);
		expect(listeners.length).toBeGreaterThan(0);
		for (const [index, asked] of requests.entries()) {
			const [name, port] = listeners[index % listeners.length] as [string, number];
			const tls = name.startsWith("https");
			const agent = `request-${index}`;
			const [nginx, clawgate] = await Promise.all([
				ask(Number(name.replace(/^https?-/, "")), tls, asked, agent, fixture.told),
				ask(port, tls, asked, agent, fixture.told),
			]);
			pairs.push({ asked, nginx, clawgate, agent });
		}
		const routes = await routesTaken(gateway, pairs.length);
		const unannounced = pairs.flatMap(({ asked, nginx, clawgate, agent }) => {
			const kinds = differences(fixture, stage, imported, nginx, clawgate);
			const route = imported.routes.find(({ name }) => name === routes.get(agent));
			const places = [nginx.place, route && `${route.origin.file}:${route.origin.line}`];
			const left = kinds.filter((kind) => !isAnnounced(kind, places, imported));
			return left.length === 0
				? []
				: [`${left}: ${describeAll({ asked, nginx, clawgate })} by ${route?.name ?? "no route"}`];
		});
		expect(unannounced).toEqual([]);
		// A comparison of refusals with refusals would show nothing.
		expect(pairs.filter(({ nginx }) => nginx.seen).length).toBeGreaterThan(REQUESTS / 10);
		expect(pairs.filter(({ clawgate }) => clawgate.seen).length).toBeGreaterThan(REQUESTS / 10);
	});

	it("sends the same key of a hash to one server", async () => {
		const fixture = FIXTURES.find(({ name }) => name === "pools") as Fixture;
		const stage = await setUp(fixture);
		const { text } = await runCommand(stage);
		const gateway = await startTestGateway((text as string).replace(/(address: 127\.0\.0\.1):\d+/, "$1:0"));
		const serversOf = async (paths: readonly string[]): Promise<Set<string | undefined>> => {
			const answers: Answer[] = [];
			for (const path of paths) {
				answers.push(
					await ask(gateway.port, false, { target: path, host: "x.test", headers: {}, upgrade: true }, "hash"),
				);
			}
			return new Set(answers.map(({ seen }) => seen?.backend));
		};
		expect((await serversOf(Array<string>(6).fill("/address"))).size).toBe(1);
		expect((await serversOf(Array<string>(6).fill("/room?room=a"))).size).toBe(1);
		const rooms = Array.from({ length: 40 }, (_, index) => `/room?room=${index}`);
		expect((await serversOf(rooms)).size).toBe(3);
	});
});

/** `clawgate import nginx` and `clawgate check` as an operator runs them. */
async function runCommand({ file, folder }: Stage): Promise<{ text: string | undefined; stderr: string[] }> {
	const out: string[] = [];
	const err: string[] = [];
	const io = {
		stdout: (text: string) => out.push(text),
		stderr: (text: string) => err.push(text),
		env: {},
		cwd: folder,
	};
	expect(await importConfig(["nginx", file], io)).toBe(0);
	const text = out.join("");
	await writeFile(join(folder, "routes.yaml"), text);
	const checked: string[] = [];
	const code = await check([], { ...io, stdout: (line) => checked.push(line), stderr: () => {} });
	expect({ code, checked }).toEqual({ code: 0, checked: [] });
	return { text, stderr: err.join("").split("\n").slice(0, -1) };
}

async function ask(
	port: number,
	tls: boolean,
	asked: Asked,
	agent: string,
	headersTold: readonly string[] = [],
): Promise<Answer> {
	const name = asked.host.replace(/:\d+$/, "").toLowerCase();
	const client = await connectRaw({ port, autoClose: false, ...(tls && { tls: { servername: name } }) });
	const certificate = tls ? (client.socket as TLSSocket).getPeerCertificate().subjectaltname : undefined;
	const headers: Record<string, string> = { ...asked.headers, "User-Agent": agent };
	try {
		if (asked.upgrade) client.write(client.handshakeHead(asked.target, { host: asked.host, headers }));
		else {
			const lines = Object.entries({ Host: asked.host, Connection: "close", ...headers }).map((line) =>
				line.join(": "),
			);
			client.write(`GET ${asked.target} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
		}
		await until(() => client.unread.includes("\r\n\r\n") || client.ending !== "open", {
			what: `an answer to ${asked.target}`,
		});
		if (!client.unread.includes("\r\n\r\n")) {
			return { statusClass: 0, seen: undefined, place: undefined, certificate, told: "" };
		}
		const head = await client.readHead();
		const seen = head.header("x-seen");
		return {
			statusClass: Math.floor(head.status / 100),
			seen: seen === undefined ? undefined : (JSON.parse(Buffer.from(seen, "base64url").toString()) as Seen),
			place: head.header("x-place"),
			told: JSON.stringify(headersTold.map((name) => head.all(name))).replaceAll(/https?:\/\/[^/"]+\//g, "/"),
			certificate,
		};
	} finally {
		client.tcp.destroy();
	}
}

/** Names of the routes by User-Agent. */
async function routesTaken(gateway: TestGateway, count: number): Promise<Map<string, string>> {
	const lines = () =>
		gateway.logs.filter(({ event }) => event === "ws.open" || event === "ws.reject" || event === "http.request");
	await until(() => lines().length >= count, { timeout: 15_000, what: "a log line for each request" });
	return new Map(lines().flatMap(({ user_agent: agent, route }) => (agent && route ? [[agent, route]] : [])));
}

/** One line for a failure. */
function describeAll({ asked, nginx, clawgate }: { asked: Asked; nginx: Answer; clawgate: Answer }): string {
	const words = ({ statusClass, seen, place, told }: Answer): string =>
		`${statusClass}xx ${told === "[]" ? "" : told} ${seen ? `${seen.backend} ${seen.target} ${seen.host}` : ""} ${place ?? ""}`;
	const headers = JSON.stringify(asked.headers);
	return `${asked.upgrade ? "WS" : "GET"} ${asked.host}${asked.target} ${headers}: nginx ${words(nginx)}; clawgate ${words(clawgate)}`;
}

type Kind = Note["effect"] | "leaked" | "certificate";

/** How the answers differ; "leaked": a backend got what nginx kept from it. */
function differences(fixture: Fixture, stage: Stage, imported: Imported, nginx: Answer, clawgate: Answer): Kind[] {
	const kinds: Kind[] = [];
	if (nginx.certificate !== clawgate.certificate) kinds.push("certificate");
	const [a, b] = [nginx.seen, clawgate.seen];
	if (a === undefined && b === undefined)
		return nginx.statusClass === clawgate.statusClass ? kinds : [...kinds, "status"];
	if (a === undefined) return [...kinds, "leaked"];
	if (b === undefined) return [...kinds, "refused"];
	if (a.backend !== b.backend && !isSamePool(fixture, stage, imported, a.backend, b.backend)) kinds.push("backend");
	if (a.target !== b.target) kinds.push(plainPath(a.target) === plainPath(b.target) ? "spelling" : "path");
	if (a.host !== b.host) kinds.push("host");
	if (a.upgraded !== b.upgraded) kinds.push("websocket");
	else if (nginx.statusClass !== clawgate.statusClass) kinds.push("status");
	if (nginx.told !== clawgate.told) kinds.push("answer");
	return kinds;
}

/** The same for all ways to write a path. */
function plainPath(target: string): string {
	const [path = "", ...query] = target.split("?");
	return [decodeURIComponent(path).replace(/\/+/g, "/"), ...query].join("?");
}

/** Whether any server of an upstream will do: it is chosen by chance or load, or the import said that another one is chosen. */
function isSamePool({ anyServerOf }: Fixture, { text }: Stage, { notes }: Imported, a: string, b: string): boolean {
	for (const { 1: name, 2: block = "", index } of text.matchAll(/upstream (\S+) \{([^}]*)\}/g)) {
		if (!block.includes(a) || !block.includes(b)) continue;
		const first = text.slice(0, index).split("\n").length;
		const last = first + block.split("\n").length;
		const announced = notes.some(({ effect, line }) => effect === "backend" && line >= first && line <= last);
		return announced || (anyServerOf?.includes(name as string) ?? false);
	}
	return false;
}

/** Whether a note says so: one in the block that answered, or one outside of all locations. */
function isAnnounced(kind: Kind, places: readonly (string | undefined)[], imported: Imported): boolean {
	const blocks = imported.blocks.filter(({ file, line }) => places.includes(`${file}:${line}`));
	return imported.notes.some((note) => {
		const fits = note.effect === kind || (kind === "status" && note.effect === "refused");
		if (!fits) return false;
		if (blocks.some(({ file, line, endLine }) => note.file === file && note.line >= line && note.line <= endLine))
			return true;
		const outside = !imported.blocks.some(
			({ file, line, endLine, text }) =>
				text !== "server" && note.file === file && note.line >= line && note.line <= endLine,
		);
		return outside && kind !== "backend" && kind !== "path";
	});
}
