// npm run bench: every installed proxy, one after the other in one run, medians and ratios.
//   node run.js [--runs 5] [--seconds 4] [--settle 10] [--peers clawgate,nginx] [--bars] [--tests cpu64,idle | growth] [--json results.json]
// With --bars each test asks only those peers that it has a bar for: the whole takes 20 minutes instead of an hour.
// `node report.js results.json` prints the tables again; with --write FILE it puts them into a Markdown file.
import { execFile, fork } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { PEERS, startPeer } from "./peers.js";
import { sleep, tree } from "./process.js";
import { LIBRARIES, tables } from "./report.js";
import { chosen, makeTests } from "./tests.js";

const run = promisify(execFile);
const { values } = parseArgs({
	options: {
		runs: { type: "string", default: "5" },
		seconds: { type: "string", default: "4" },
		settle: { type: "string", default: "10" },
		peers: { type: "string" },
		bars: { type: "boolean", default: false },
		tests: { type: "string" },
		json: { type: "string" },
	},
});
const BACKEND = 21_000;
const LOAD = fileURLToPath(new URL("./load.js", import.meta.url));
const tests = makeTests(Number(values.seconds), Number(values.settle));
const wanted = chosen(tests, values.tests);
const versions = {};
for (const name of values.peers?.split(",") ?? Object.keys(PEERS)) {
	const version = PEERS[name]?.version();
	if (version === undefined) console.error(`${name}: not installed, left out`);
	else versions[name] = version;
}
const peers = Object.keys(versions);
const folder = mkdtempSync(join(tmpdir(), "clawgate-bench-"));
const pair = await generate([{ name: "commonName", value: "bench.test" }], { keyType: "ec", algorithm: "sha256" });
const cert = join(folder, "cert.pem");
const key = join(folder, "key.pem");
writeFileSync(cert, pair.cert);
writeFileSync(key, pair.private);

const machine = {
	cpu: cpus()[0]?.model,
	cores: cpus().length,
	kernel: release(),
	node: process.version,
	runs: Number(values.runs),
	versions,
};
/** By test, then by peer: one result for each run. */
const samples = {};
const checked = new Set();
const backends = await Promise.all([0, 1, 2, 3].map((i) => startBackend(BACKEND + i)));
try {
	for (let round = 0; round < Number(values.runs); round++) {
		// There and back again, so that a machine that slows down does not always hit the same peer.
		const order = round % 2 === 0 ? peers : peers.toReversed();
		for (const test of wanted) for (const peer of order) await measure(test, peer, round);
		save();
	}
} finally {
	for (const backend of backends) backend.kill();
	rmSync(folder, { recursive: true, force: true });
}
console.log(tables(outcome()));

function outcome() {
	const described = wanted.map((name) => {
		const { title, unit, bars, added, group } = tests[name];
		return [name, { title, unit, bars, added, group, samples: samples[name] ?? {} }];
	});
	return { machine, tests: Object.fromEntries(described) };
}

function save() {
	if (values.json) writeFileSync(values.json, `${JSON.stringify(outcome(), null, "\t")}\n`);
}

async function measure(name, peer, round) {
	const { title: _, unit, setup, bars: _bars, added, group: _group, ...load } = tests[name];
	if (setup && peer !== "clawgate") return;
	if (values.bars && !hasBar(name, peer)) return;
	// Without a proxy there is nothing whose CPU or memory could be read.
	if (peer === "direct" && !added) return;
	for (let attempt = 1; attempt <= 2; attempt++) {
		const result = peer === "direct" ? await runLoad({ ...load, port: BACKEND, pids: [] }) : await runPeer(peer, load, setup, round);
		if (result.error) {
			console.error(`${name} ${peer}, attempt ${attempt} of 2: ${result.error}`);
			continue;
		}
		samples[name] ??= {};
		samples[name][peer] ??= [];
		samples[name][peer].push({ round, ...result });
		const { value, ...more } = result;
		const rest = Object.entries(more).map(([key, number]) => `, ${key} ${number < 10 ? number.toFixed(3) : Math.round(number)}`);
		console.error(`${round + 1}/${values.runs} ${name} ${peer}: ${value.toFixed(3)} ${unit}${rest.join("")}`);
		return;
	}
}

/** Whether a test's result for this peer is needed to judge Clawgate's. */
function hasBar(name, peer) {
	if (peer === "clawgate" || peer === "direct") return true;
	const { bars = {} } = tests[name];
	return peer in bars || ("library" in bars && LIBRARIES.includes(peer));
}

async function runPeer(peer, load, setup, round) {
	const base = 22_000 + (round % 10) * 100 + Object.keys(PEERS).indexOf(peer) * 4;
	const context = { folder: mkdtempSync(join(folder, `${peer}-`)), port: base, tlsPort: base + 1, adminPort: base + 2, backend: BACKEND, cert, key, ...setup };
	const log = openSync(join(context.folder, "log"), "w");
	const child = startPeer(peer, context, log);
	closeSync(log);
	const said = () => readFileSync(join(context.folder, "log"), "utf8").slice(0, 2_000);
	const ended = new Promise((resolve) => child.once("exit", resolve));
	try {
		const port = load.tls ? context.tlsPort : context.port;
		if (!(await listening(port, () => child.exitCode !== null))) return { error: `does not listen on ${port}:\n${said()}` };
		const check = `${peer} ${load.tls ?? false}`;
		const first = checked.has(check) ? {} : await runLoad({ kind: "correctness", port, tls: load.tls, pids: [] });
		if (first.error) return { error: `is not correct: ${first.error}` };
		checked.add(check);
		const result = await runLoad({ ...load, port, pids: tree(child.pid) });
		return child.exitCode === null ? result : { error: `ended during the load:\n${said()}` };
	} finally {
		child.kill("SIGKILL");
		await ended;
		rmSync(context.folder, { recursive: true, force: true });
	}
}

async function runLoad(load) {
	try {
		const { stdout } = await run(process.execPath, [LOAD, JSON.stringify(load)], { timeout: 180_000 });
		return JSON.parse(stdout);
	} catch (error) {
		return { error: `the load did not end well: ${error.message}` };
	}
}

async function listening(port, gone) {
	const deadline = performance.now() + 60_000;
	while (performance.now() < deadline && !gone()) {
		const open = await new Promise((resolve) => {
			const socket = connect(port, "127.0.0.1", () => {
				socket.destroy();
				resolve(true);
			}).on("error", () => resolve(false));
		});
		if (open) return true;
		await sleep(50);
	}
	return false;
}

function startBackend(port) {
	const child = fork(fileURLToPath(new URL("./backend.js", import.meta.url)), [String(port)]);
	return new Promise((resolve, reject) => {
		child.once("message", () => resolve(child));
		child.once("exit", (code) => reject(new Error(`the backend on port ${port} ended with ${code}: is the port in use?`)));
	});
}
