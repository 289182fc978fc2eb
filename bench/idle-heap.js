// What an idle tunnel keeps on the gateway's JavaScript heap: node idle-heap.js [--tunnels 2000] [--tls] [--write ../docs/performance.md]
// Two heap snapshots, without tunnels and with them; the difference by constructor, for each tunnel.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { destroyAll, openMany } from "./client.js";
import { sleep } from "./process.js";
import { writeBetween } from "./report.js";
import { startBackends, until } from "./scale/gateway.js";

const { values } = parseArgs({
	options: { tunnels: { type: "string", default: "2000" }, tls: { type: "boolean", default: false }, write: { type: "string" } },
});
const tunnels = Number(values.tunnels);
/** Rows below it are summed up. */
const LEAST_BYTES = 24;
const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const [PORT, TLS_PORT] = [22_900, 22_901];

const folder = mkdtempSync(join(tmpdir(), "clawgate-heap-"));
const backends = await startBackends(1);
const config = {
	workers: 1,
	listeners: [
		{ name: "plain", address: `127.0.0.1:${PORT}` },
		{ name: "secure", address: `127.0.0.1:${TLS_PORT}`, tls: { self_signed: ["localhost"] } },
	],
	upstreams: { chat: { endpoints: [`ws://127.0.0.1:${backends.ports[0]}`] } },
	routes: [{ name: "all", match: { path_prefix: "/" }, upstream: "chat" }],
};
writeFileSync(join(folder, "routes.yaml"), JSON.stringify(config));
const child = spawn(process.execPath, ["--heapsnapshot-signal=SIGUSR2", MAIN, "run", "-c", join(folder, "routes.yaml")], { cwd: folder, stdio: "ignore" });
try {
	const options = { port: values.tls ? TLS_PORT : PORT, tls: values.tls };
	// The first ones make code and caches that stay.
	await until(() => openMany(200, options).then((sockets) => (destroyAll(sockets), true), () => false), 20_000, "the gateway");
	await sleep(2_000);
	const before = await snapshot();
	const sockets = await openMany(tunnels, options);
	await sleep(2_000);
	const after = await snapshot();
	destroyAll(sockets);
	const text = summary(before, after);
	if (values.write) writeBetween(values.write, values.tls ? "bench:heap-tls" : "bench:heap", text);
	console.log(text);
} finally {
	child.kill("SIGKILL");
	backends.stop();
	rmSync(folder, { recursive: true, force: true });
}

/** Bytes and number of the objects on the heap, by what they are. */
async function snapshot() {
	const known = new Set(readdirSync(folder));
	child.kill("SIGUSR2");
	const name = await until(() => readdirSync(folder).find((entry) => entry.endsWith(".heapsnapshot") && !known.has(entry)), 60_000, "a heap snapshot");
	let parsed;
	await until(
		() => {
			try {
				parsed = JSON.parse(readFileSync(join(folder, name), "utf8"));
				return true;
			} catch {
				// It is still being written.
				return false;
			}
		},
		60_000,
		"the whole heap snapshot",
	);
	const { snapshot: described, nodes, strings } = parsed;
	const { node_fields: fields, node_types: types } = described.meta;
	const [type, label, size] = ["type", "name", "self_size"].map((field) => fields.indexOf(field));
	const kinds = types[type];
	const found = new Map();
	for (let at = 0; at < nodes.length; at += fields.length) {
		const what = nameOf(kinds[nodes[at + type]], strings[nodes[at + label]]);
		const entry = found.get(what) ?? { bytes: 0, count: 0 };
		entry.bytes += nodes[at + size];
		entry.count++;
		found.set(what, entry);
	}
	return found;
}

/** Objects by their constructor; what has none, by its kind. */
function nameOf(kind, label) {
	if (kind === "object" || kind === "native") return label;
	if (kind === "closure") return "(functions)";
	if (kind.endsWith("string")) return "(strings)";
	if (kind === "array" || kind === "synthetic") return `(${kind}) ${label}`.trim();
	return `(${kind})`;
}

function summary(before, after) {
	const rows = [...after].map(([what, { bytes, count }]) => {
		const old = before.get(what) ?? { bytes: 0, count: 0 };
		return { what, bytes: (bytes - old.bytes) / tunnels, count: (count - old.count) / tunnels };
	});
	rows.sort((a, b) => b.bytes - a.bytes);
	const shown = rows.filter(({ bytes }) => bytes >= LEAST_BYTES);
	const total = rows.reduce((sum, { bytes }) => sum + bytes, 0);
	const rest = total - shown.reduce((sum, { bytes }) => sum + bytes, 0);
	return [
		`${tunnels} idle tunnels${values.tls ? ", TLS client side" : ""}, Node ${process.version}: ${Math.round(total)} bytes of heap each.`,
		"",
		"| | objects | bytes |",
		"|---|---|---|",
		...shown.map(({ what, bytes, count }) => `| \`${what}\` | ${count.toFixed(1)} | ${Math.round(bytes)} |`),
		`| everything below ${LEAST_BYTES} bytes | | ${Math.round(rest)} |`,
	].join("\n");
}
