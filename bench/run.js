// npm run bench: every installed proxy, one after the other in one run, medians and ratios.
//   node run.js [--runs 5] [--seconds 4] [--peers clawgate,nginx] [--tests cpu64,idle] [--json results.json]
import { execFile, fork } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { PEERS, SECRET, startPeer } from "./peers.js";
import { median, table } from "./report.js";

const run = promisify(execFile);
const { values } = parseArgs({
	options: {
		runs: { type: "string", default: "5" },
		seconds: { type: "string", default: "4" },
		peers: { type: "string" },
		tests: { type: "string" },
		json: { type: "string" },
	},
});
const seconds = Number(values.seconds);
const BACKEND = 21_000;
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "ada", iss: "bench", exp: Math.floor(Date.now() / 1_000) + 86_400 })}`;
const token = `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
const CREDENTIALS = `Origin: https://app.bench.test\r\nAuthorization: Bearer ${token}\r\n`;
const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));

/** What is measured: the load, its unit, and whether the peer is asked through TLS or with a special configuration. */
const TESTS = {
	cpu64: { title: "CPU per 64 B round trip, 200 connections", unit: "µs", kind: "roundTrips", size: 64, connections: 200, seconds },
	cpu16k: { title: "CPU per 16 KiB round trip, 200 connections", unit: "µs", kind: "roundTrips", size: 16_384, connections: 200, seconds },
	tls64: { title: "CPU per 64 B round trip, TLS client side", unit: "µs", kind: "roundTrips", size: 64, connections: 200, seconds, tls: true },
	tls16k: { title: "CPU per 16 KiB round trip, TLS client side", unit: "µs", kind: "roundTrips", size: 16_384, connections: 200, seconds, tls: true },
	handshake: { title: "CPU per handshake", unit: "µs", kind: "handshakes", count: 10_000, atOnce: 50 },
	idle: { title: "memory per idle tunnel", unit: "KiB", kind: "idle", connections: 4_000 },
	idleTls: { title: "memory per idle tunnel, TLS client side", unit: "KiB", kind: "idle", connections: 2_000, tls: true },
	latency: { title: "p99 at 10 000 messages/s over 1 000 connections", unit: "ms", kind: "latency", connections: 1_000, size: 64, rate: 10_000, seconds },
	unchecked: { title: "CPU per handshake, same headers, any origin, no checks", unit: "µs", kind: "handshakes", count: 10_000, atOnce: 50, headers: CREDENTIALS, only: "clawgate", setup: { anyOrigin: true } },
	checked: { title: "CPU per handshake, origin + four limits + HS256 JWT", unit: "µs", kind: "handshakes", count: 10_000, atOnce: 50, headers: CREDENTIALS, only: "clawgate", setup: { checks: true } },
	routes10: { title: "CPU per handshake, 10 routes", unit: "µs", kind: "handshakes", count: 6_000, atOnce: 50, hosts: 10, paths: 10, only: "clawgate", setup: { routes: 10 } },
	routes10k: { title: "CPU per handshake, 10 000 routes", unit: "µs", kind: "handshakes", count: 6_000, atOnce: 50, hosts: 10_000, paths: 10_000, only: "clawgate", setup: { routes: 10_000 } },
	endpoints10: { title: "CPU per handshake, 10 endpoints", unit: "µs", kind: "handshakes", count: 6_000, atOnce: 50, only: "clawgate", setup: { endpoints: 10 } },
	endpoints1000: { title: "CPU per handshake, 1 000 endpoints", unit: "µs", kind: "handshakes", count: 6_000, atOnce: 50, only: "clawgate", setup: { endpoints: 1_000 } },
};

const wanted = values.tests?.split(",") ?? Object.keys(TESTS);
const peers = (values.peers?.split(",") ?? Object.keys(PEERS)).filter((name) => {
	const installed = PEERS[name]?.installed() ?? false;
	if (!installed) console.error(`${name}: not installed, left out`);
	return installed;
});
const folder = mkdtempSync(join(tmpdir(), "clawgate-bench-"));
const pair = await generate([{ name: "commonName", value: "bench.test" }], { keyType: "ec", algorithm: "sha256" });
const cert = join(folder, "cert.pem");
const key = join(folder, "key.pem");
writeFileSync(cert, pair.cert);
writeFileSync(key, pair.private);

const backends = await Promise.all([0, 1, 2, 3].map((i) => startBackend(BACKEND + i)));
const samples = {};
try {
	for (let round = 0; round < Number(values.runs); round++) {
		for (const test of wanted) for (const peer of peers) await measure(test, peer, round);
	}
} finally {
	for (const backend of backends) backend.kill();
	rmSync(folder, { recursive: true, force: true });
}
const results = Object.fromEntries(
	wanted.map((test) => [
		test,
		{
			title: TESTS[test].title,
			unit: TESTS[test].unit,
			peers: Object.fromEntries(Object.entries(samples[test] ?? {}).map(([name, list]) => [name, median(list)])),
		},
	]),
);
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version, runs: Number(values.runs) };
if (values.json) writeFileSync(values.json, `${JSON.stringify({ machine, results, samples }, null, "\t")}\n`);
console.log(table(machine, results));

async function measure(name, peer, round) {
	const { title: _, unit: __, only, setup, ...load } = TESTS[name];
	if (only && only !== peer) return;
	// Without a proxy there is nothing whose CPU or memory could be read.
	if (peer === "direct" && load.kind !== "latency") return;
	const result = peer === "direct" ? await runLoad({ ...load, port: BACKEND, pids: [] }) : await runPeer(peer, load, setup, round);
	if (result.error) {
		console.error(`${name} ${peer}: ${result.error}`);
		return;
	}
	samples[name] ??= {};
	samples[name][peer] ??= [];
	samples[name][peer].push(result.value);
	console.error(`${name} ${peer}: ${result.value.toFixed(2)} ${TESTS[name].unit}${result.perSecond ? ` at ${Math.round(result.perSecond)}/s` : ""}`);
}

async function runPeer(peer, load, setup, round) {
	const base = 22_000 + (round % 10) * 100 + Object.keys(PEERS).indexOf(peer) * 4;
	const context = { folder: mkdtempSync(join(folder, `${peer}-`)), port: base, tlsPort: base + 1, adminPort: base + 2, backend: BACKEND, cert, key, ...setup };
	const log = openSync(join(context.folder, "log"), "w");
	const child = startPeer(peer, context, log);
	const ended = new Promise((resolve) => child.once("exit", resolve));
	try {
		const port = load.tls ? context.tlsPort : context.port;
		if (!(await listening(port))) {
			return { error: `does not listen:\n${readFileSync(join(context.folder, "log"), "utf8").slice(0, 2_000)}` };
		}
		const first = round === 0 ? await runLoad({ kind: "correctness", port, tls: load.tls, pids: [] }) : {};
		if (first.error) return { error: `is not correct: ${first.error}` };
		return await runLoad({ ...load, port, pids: [child.pid] });
	} finally {
		child.kill("SIGKILL");
		await ended;
	}
}

async function runLoad(load) {
	const { stdout } = await run(process.execPath, [LOAD, JSON.stringify(load)], { timeout: 180_000 });
	return JSON.parse(stdout);
}

async function listening(port) {
	for (let i = 0; i < 200; i++) {
		const open = await new Promise((resolve) => {
			const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
			socket.on("close", () => {});
			setTimeout(() => socket.destroy(), 50).unref();
		});
		if (open) return true;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	return false;
}

function startBackend(port) {
	const child = fork(fileURLToPath(new URL("./backend.js", import.meta.url)), [String(port)]);
	return new Promise((resolve) => child.once("message", () => resolve(child)));
}
