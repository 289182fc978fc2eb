// What the scale proofs stand on: backends, a gateway as an operator runs it, and its log counted instead of kept.
import { fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { descriptors, sleep, tree } from "../process.js";

const BACKEND = fileURLToPath(new URL("../backend.js", import.meta.url));
const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const MEMORY_ON_SIGNAL = fileURLToPath(new URL("./memory-on-signal.js", import.meta.url));

/** Below the range that systems take ports for outgoing connections from. */
const OWN_PORTS = { first: 10_240, last: 32_000 };

/** Calls `look` until it gives something; an error with `what` after `timeout` milliseconds. */
export async function until(look, timeout, what) {
	const deadline = performance.now() + timeout;
	for (;;) {
		const found = await look();
		if (found) return found;
		if (performance.now() > deadline) throw new Error(`waited ${timeout} ms in vain for ${what}`);
		await sleep(20);
	}
}

/** Resolves with the promise, or fails with `what` after `timeout` milliseconds. */
async function within(promise, timeout, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${timeout} ms in vain for ${what}`)), timeout);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

async function freePort() {
	for (;;) {
		const port = OWN_PORTS.first + Math.floor(Math.random() * (OWN_PORTS.last - OWN_PORTS.first));
		const server = createServer();
		const free = await new Promise((resolve) => server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true)));
		if (!free) continue;
		await new Promise((resolve) => server.close(resolve));
		return port;
	}
}

/** Backend processes that echo; each on a port of its own, so that the gateway's outgoing ports suffice. */
export async function startBackends(count) {
	const children = Array.from({ length: count }, () => fork(BACKEND, ["0"]));
	const ports = await Promise.all(
		children.map(
			(child) =>
				new Promise((resolve, reject) => {
					child.once("message", ({ port }) => resolve(port));
					child.once("exit", (code) => reject(new Error(`a backend ended with ${code}`)));
				}),
		),
	);
	return { ports, stop: () => children.forEach((child) => child.kill()) };
}

/** Resolves once the gateway accepts connections; `options.spread` is that of the drain at its end, in seconds. */
export async function startGateway({ workers, backendPorts, spread = 5 }) {
	const folder = mkdtempSync(join(tmpdir(), "clawgate-scale-"));
	const [port, adminPort] = [await freePort(), await freePort()];
	const config = {
		workers,
		listeners: [{ name: "public", address: `127.0.0.1:${port}`, max_connections: 200_000 }],
		admin: { address: `127.0.0.1:${adminPort}` },
		shutdown: { drain: { timeout: `${spread + 60}s`, spread: `${spread}s` } },
		// Clients and backends share the gateway's cores: their answers to a Close may take longer than the default of 5 s.
		defaults: { timeouts: { close: "20s" } },
		upstreams: { chat: { endpoints: backendPorts.map((backend) => `ws://127.0.0.1:${backend}`) } },
		routes: [{ name: "all", match: { path_prefix: "/" }, upstream: "chat" }],
	};
	writeFileSync(join(folder, "routes.yaml"), JSON.stringify(config));
	const child = spawn(process.execPath, ["--expose-gc", "--import", MEMORY_ON_SIGNAL, MAIN, "run", "-c", join(folder, "routes.yaml")], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const log = new CountedLog(child.stdout);
	const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
	const accepts = () =>
		new Promise((resolve) => {
			const socket = connect(port, "127.0.0.1", () => socket.destroy()).on("error", () => {});
			socket.on("close", (failed) => resolve(!failed));
		});
	const running = async () => {
		if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`);
		return accepts();
	};
	const kill = () => {
		for (const pid of tree(child.pid)) {
			try {
				process.kill(pid, "SIGKILL");
			} catch {
				// It ended by itself.
			}
		}
		rmSync(folder, { recursive: true, force: true });
	};
	// Whoever ends this process ends the gateway, too.
	for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
	process.once("exit", kill);
	try {
		await until(running, 30_000, "the gateway to listen");
		// Workers come one after the other.
		await until(() => workers <= 1 || tree(child.pid).length > workers, 60_000, `${workers} workers`);
	} catch (error) {
		kill();
		throw error;
	}
	const pids = () => tree(child.pid);
	return {
		port,
		adminPort,
		log,
		pids,
		/** Open descriptors of all its processes. */
		descriptors: () => pids().map(descriptors),
		/** Memory after collections, summed up over its processes, in bytes. Weak references need more than one. */
		async collected() {
			let least;
			for (let i = 0; i < 4; i++) {
				log.memory = [];
				const asked = pids();
				for (const pid of asked) process.kill(pid, "SIGUSR2");
				await until(() => log.memory.length >= asked.length, 20_000, "the gateway's memory");
				const sum = (key) => log.memory.reduce((total, line) => total + line[key], 0);
				if (least === undefined || sum("heapUsed") < least.heap) least = { heap: sum("heapUsed"), rss: sum("rss"), buffers: sum("arrayBuffers") };
			}
			return least;
		},
		/** Asks it to end, as an operator does. */
		stop: () => child.kill("SIGTERM"),
		/** How it ended; fails, and kills it, when it does not within `timeout` milliseconds. */
		async end(timeout) {
			try {
				return await within(ended, timeout, "the gateway to end");
			} finally {
				kill();
			}
		},
		kill,
	};
}

/** How many lines of each event a log has; the text itself is not kept. */
class CountedLog {
	events = {};
	/** `ws.close` lines by how the connection ended, and the code of the client's own Close. */
	closes = {};
	/** The lines that {@link MEMORY_ON_SIGNAL} wrote. */
	memory = [];
	/** Lines that tell of a defect. */
	errors = [];
	#rest = "";

	constructor(stream) {
		stream.setEncoding("latin1").on("data", (text) => {
			const lines = (this.#rest + text).split("\n");
			this.#rest = lines.pop();
			for (const line of lines) this.#line(line);
		});
	}

	count(event) {
		return this.events[event] ?? 0;
	}

	#line(line) {
		const event = /"event":"([^"]+)"/.exec(line)?.[1] ?? "none";
		this.events[event] = (this.events[event] ?? 0) + 1;
		if (event === "ws.close") {
			const { termination, client_close_code } = JSON.parse(line);
			const how = `${termination} ${client_close_code ?? "without the client's Close"}`;
			this.closes[how] = (this.closes[how] ?? 0) + 1;
		}
		if (event === "test.memory") this.memory.push(JSON.parse(line));
		if (event === "internal.error" || event === "worker.exit" || event === "none") this.errors.push(line);
	}
}

/** Client processes; `ask(command)` sends it to all and resolves with their answers, or fails when one of them did not answer in time. */
export function startClients(count, options) {
	const children = Array.from({ length: count }, (_, i) =>
		fork(fileURLToPath(new URL("./client.js", import.meta.url)), [JSON.stringify({ ...options, localAddress: `127.0.0.${2 + i}` })]),
	);
	return {
		async ask(command, timeout) {
			const answers = children.map(
				(child) =>
					new Promise((resolve, reject) => {
						child.once("message", (answer) => (answer.error ? reject(new Error(answer.error)) : resolve(answer)));
						child.once("exit", (code) => reject(new Error(`a client process ended with ${code}`)));
						child.send(command);
					}),
			);
			const result = await within(Promise.all(answers), timeout, `the clients to finish "${Object.keys(command)[0]}"`);
			for (const child of children) child.removeAllListeners("exit");
			return result;
		},
		stop: () => children.forEach((child) => child.kill()),
	};
}
