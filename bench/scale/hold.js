// Very many tunnels held at once, then drained: node scale/hold.js [--tunnels 90000] [--workers 10] [--spread 60] [--hold 30] [--json FILE]
// Exits with 1 when one of them is lost, does not answer, or does not end with a clean Close 1001.
// Each process has its own limit of open files: a worker holds two for each tunnel, a client or backend process one.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { cpu, descriptors, memory, sleep } from "../process.js";
import { startBackends, startClients, startGateway } from "./gateway.js";

const { values } = parseArgs({
	options: {
		tunnels: { type: "string", default: "90000" },
		workers: { type: "string", default: "10" },
		spread: { type: "string", default: "60" },
		hold: { type: "string", default: "30" },
		json: { type: "string" },
	},
});
const [workers, spread] = [Number(values.workers), Number(values.spread)];
/** Fewer than the 28 000 outgoing ports that Linux gives one address, and than the usual 20 000 open files. */
const EACH = 15_000;
const processes = Math.ceil(Number(values.tunnels) / EACH);
const each = Math.ceil(Number(values.tunnels) / processes);
const tunnels = each * processes;

const backends = await startBackends(processes);
const gateway = await startGateway({ workers, backendPorts: backends.ports, spread });
const clients = startClients(processes, { port: gateway.port, atOnce: 50 });
const result = { tunnels, workers, clientProcesses: processes };
const wrong = [];
try {
	const { log } = gateway;
	const pids = gateway.pids();
	await sleep(3_000);
	const descriptorsBefore = pids.map(descriptors);
	result.memoryBeforeMiB = memory(pids) / 1_024;

	const opened = await timed(() => clients.ask({ open: each }, 600_000));
	result.open = { seconds: opened.seconds, perSecond: tunnels / opened.seconds, cpuEachUs: (opened.cpuSeconds * 1e6) / tunnels };
	const failures = opened.value.flatMap((answer) => Object.entries(answer.failures));
	if (failures.length > 0) wrong.push(`tunnels were not opened: ${JSON.stringify(failures)}`);
	console.error(`${sum(opened.value, "open")} tunnels in ${opened.seconds.toFixed(1)} s`);

	// Held for longer than the interval of pings, which go to both sides of a silent tunnel.
	const held = await timed(() => sleep(Number(values.hold) * 1_000));
	result.hold = { seconds: held.seconds, cpuShare: held.cpuSeconds / held.seconds };
	result.memoryMiB = memory(pids) / 1_024;
	result.kibEach = ((result.memoryMiB - result.memoryBeforeMiB) * 1_024) / tunnels;
	// Two descriptors are a tunnel. The first process of several is the supervisor, which has none.
	const heldBy = pids.map((pid, i) => Math.round((descriptors(pid) - descriptorsBefore[i]) / 2));
	result.tunnelsOfWorkers = workers > 1 ? heldBy.slice(1) : heldBy;
	result.active = await active();
	if (result.active !== tunnels) wrong.push(`clawgate_connections_active says ${result.active}`);
	console.error(`held: ${result.memoryMiB.toFixed(0)} MiB, ${result.kibEach.toFixed(1)} KiB each; by worker: ${result.tunnelsOfWorkers.join(" ")}`);

	const echoed = await timed(() => clients.ask({ echo: true }, 120_000));
	result.echo = { answered: sum(echoed.value, "echoed"), seconds: echoed.seconds };
	if (result.echo.answered !== tunnels) wrong.push(`${result.echo.answered} tunnels answered, ${sum(echoed.value, "alive")} are open`);
	console.error(`${result.echo.answered} answered in ${echoed.seconds.toFixed(1)} s`);

	const drained = await timed(() => {
		gateway.stop();
		return clients.ask({ ends: (spread + 60) * 1_000 }, (spread + 90) * 1_000);
	});
	const codes = {};
	for (const answer of drained.value) for (const [how, count] of Object.entries(answer.codes)) codes[how] = (codes[how] ?? 0) + count;
	result.pings = sum(drained.value, "pings");
	result.drain = { spread, seconds: drained.seconds, codes };
	if (codes["1001"] !== tunnels) wrong.push(`tunnels ended with ${JSON.stringify(codes)}`);
	const { code, signal } = await gateway.end(60_000);
	if (code !== 0) wrong.push(`the gateway ended with ${code ?? signal}`);
	result.closes = log.closes;
	result.lines = { open: log.count("ws.open"), close: log.count("ws.close"), reject: log.count("ws.reject") };
	if (result.lines.open !== tunnels || result.lines.close !== tunnels) wrong.push(`log lines: ${JSON.stringify(result.lines)}`);
	const errors = log.errors.filter((line) => !line.includes('"worker.exit"'));
	if (errors.length > 0) wrong.push(`the log tells of errors: ${errors.slice(0, 3).join("\n")}`);
} finally {
	clients.stop();
	backends.stop();
	gateway.kill();
}
if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...result, wrong }, null, "\t")}\n`);
console.log(JSON.stringify({ ...result, wrong }, null, "\t"));
process.exitCode = wrong.length > 0 ? 1 : 0;

/** What `action` gives, how long it took, and what the gateway's processes used; the drain ends them, so there it is not asked. */
async function timed(action) {
	const pids = gateway.pids();
	const [before, startedAt] = [cpu(pids), performance.now()];
	const value = await action();
	const seconds = (performance.now() - startedAt) / 1_000;
	try {
		return { value, seconds, cpuSeconds: (cpu(pids) - before) / 1e6 };
	} catch {
		return { value, seconds, cpuSeconds: undefined };
	}
}

/** Over all workers. */
async function active() {
	const text = await (await fetch(`http://127.0.0.1:${gateway.adminPort}/metrics`)).text();
	return [...text.matchAll(/^clawgate_connections_active\{[^}]*\} (\d+)$/gm)].reduce((total, [, count]) => total + Number(count), 0);
}

function sum(answers, key) {
	return answers.reduce((total, answer) => total + answer[key], 0);
}
