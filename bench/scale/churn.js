// Very many connections that come and go: what the gateway keeps of them. The default is a million.
//   node scale/churn.js [--connections 1000000] [--samples 20] [--clients 2] [--workers 1] [--json FILE]
// Exits with 1 when memory or descriptors grow over the second half, or log lines are missing.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { cpu, memory } from "../process.js";
import { median } from "../report.js";
import { startBackends, startClients, startGateway, until } from "./gateway.js";

const { values } = parseArgs({
	options: {
		connections: { type: "string", default: "1000000" },
		samples: { type: "string", default: "20" },
		clients: { type: "string", default: "2" },
		workers: { type: "string", default: "1" },
		json: { type: "string" },
	},
});
const [samples, clientCount] = [Number(values.samples), Number(values.clients)];
const batch = Math.ceil(Number(values.connections) / samples / clientCount);
const connections = batch * samples * clientCount;

/**
 * The least that a connection can leave behind is a pointer, 8 bytes. Half of it, over the second half's connections, is
 * less growth than any leak would show; what a process of that age still compiles and caches is added.
 */
const HEAP_BYTES_EACH = 4;
const HEAP_NOISE = 512 * 1_024;
/**
 * Outside the heap are buffers, handles and what malloc keeps. V8's young generation alone takes and gives back this much
 * for each process, at times of its own choosing; over a million connections a leaked handle (248 bytes) would be five times as much.
 */
const PSS_NOISE = 16 * 1_024 * 1_024;

const backends = await startBackends(1);
const gateway = await startGateway({ workers: Number(values.workers), backendPorts: backends.ports });
const clients = startClients(clientCount, { port: gateway.port, atOnce: 32 });
const processes = gateway.pids().length;
const rows = [];
const failures = {};
let result;
try {
	const { log } = gateway;
	const fdsBefore = await settled();
	const startedAt = performance.now();
	let busy = 0;
	for (let i = 1; i <= samples; i++) {
		const batchAt = performance.now();
		const cpuBefore = cpu(gateway.pids());
		for (const answer of await clients.ask({ churn: batch }, 600_000)) {
			for (const [words, count] of Object.entries(answer.failures)) failures[words] = (failures[words] ?? 0) + count;
		}
		const seconds = (performance.now() - batchAt) / 1_000;
		busy += seconds;
		const used = cpu(gateway.pids()) - cpuBefore;
		const fds = await settled();
		const { heap, buffers } = await gateway.collected();
		const row = { connections: i * batch * clientCount, perSecond: Math.round((batch * clientCount) / seconds), cpuEachUs: used / batch / clientCount, heap, buffers, pss: memory(gateway.pids()) * 1_024, fds };
		rows.push(row);
		console.error(`${row.connections}: ${row.perSecond}/s, ${row.cpuEachUs.toFixed(0)} µs each, heap ${mib(heap)}, PSS ${mib(row.pss)}, ${fds} descriptors`);
	}
	const lines = { open: log.count("ws.open"), close: log.count("ws.close"), reject: log.count("ws.reject") };
	gateway.stop();
	const { code } = await gateway.end(30_000);
	result = { connections, seconds: (performance.now() - startedAt) / 1_000, perSecond: Math.round(connections / busy), fdsBefore, lines, failures, errors: log.errors, exitCode: code, ...growth(), rows };
} finally {
	clients.stop();
	backends.stop();
	gateway.kill();
}

/** The descriptors once every connection has its `ws.close` line and their number stands still for half a second. */
async function settled() {
	await until(() => gateway.log.count("ws.open") === gateway.log.count("ws.close"), 30_000, "a ws.close line for each ws.open");
	let fds = -1;
	let since = 0;
	await until(
		() => {
			const now = gateway.descriptors().reduce((sum, count) => sum + count, 0);
			if (now !== fds) since = performance.now();
			fds = now;
			return performance.now() - since > 500;
		},
		30_000,
		"the number of descriptors to stand still",
	);
	return fds;
}

/** The medians of the second half's first and last thirds: single samples move by what the compiler does. */
function growth() {
	const half = rows.slice(Math.floor(rows.length / 2));
	const third = Math.max(1, Math.floor(half.length / 3));
	const middle = (part, key) => median(part.map((row) => row[key]));
	const between = middle(half.slice(-third), "connections") - middle(half.slice(0, third), "connections");
	const change = (key) => middle(half.slice(-third), key) - middle(half.slice(0, third), key);
	return {
		between,
		heapGrowth: change("heap"),
		heapGrowthAllowed: HEAP_BYTES_EACH * between + HEAP_NOISE * processes,
		pssGrowth: change("pss"),
		pssGrowthAllowed: PSS_NOISE * processes,
	};
}

function mib(bytes) {
	return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

const wrong = [];
if (Object.keys(result.failures).length > 0) wrong.push(`connections failed: ${JSON.stringify(result.failures)}`);
if (result.lines.open !== connections || result.lines.close !== connections) wrong.push(`${result.lines.open} ws.open and ${result.lines.close} ws.close lines for ${connections} connections`);
if (rows.at(-1).fds > result.fdsBefore) wrong.push(`${rows.at(-1).fds} descriptors are open, ${result.fdsBefore} were at the start`);
if (result.heapGrowth > result.heapGrowthAllowed) wrong.push(`the heap grew by ${mib(result.heapGrowth)} over ${result.between} connections`);
if (result.pssGrowth > result.pssGrowthAllowed) wrong.push(`the process grew by ${mib(result.pssGrowth)} over ${result.between} connections`);
if (result.errors.length > 0) wrong.push(`the log tells of errors: ${result.errors.slice(0, 3).join("\n")}`);
if (result.exitCode !== 0) wrong.push(`the gateway ended with ${result.exitCode}`);
if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...result, wrong }, null, "\t")}\n`);
console.log(JSON.stringify({ ...result, rows: undefined, wrong }, null, "\t"));
process.exitCode = wrong.length > 0 ? 1 : 0;
