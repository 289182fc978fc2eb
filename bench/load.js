// One load in a process of its own: node load.js '{"kind": …}'. Prints its result as one JSON line.
import { readFileSync } from "node:fs";
import { destroyAll, makeFrame, open, openMany } from "./client.js";

const { kind, pids, ...options } = JSON.parse(process.argv[2]);
const TICK_US = 10_000;

/** CPU time of the proxy's processes so far, in microseconds (user and system; /proc counts in ticks of 10 ms). */
function cpu() {
	let ticks = 0;
	for (const pid of pids) {
		const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
		ticks += Number(fields[11]) + Number(fields[12]);
	}
	return ticks * TICK_US;
}

/** Proportional set size: what is shared between the proxy's processes counts once. */
function memory() {
	let kib = 0;
	for (const pid of pids) kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]);
	return kib;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const LOADS = {
	/** Ping-pong on every connection for some seconds: CPU for each round trip. */
	async roundTrips({ port, tls, connections, size, seconds }) {
		const { bytes, echo } = makeFrame(size);
		let count = 0;
		const sockets = await openMany(connections, { port, tls });
		for (const socket of sockets) {
			let missing = echo;
			socket.received = (length) => {
				missing -= length;
				if (missing > 0) return;
				missing += echo;
				count++;
				socket.write(bytes);
			};
			socket.write(bytes);
		}
		await sleep(1_500);
		const [cpuBefore, countBefore, startedAt] = [cpu(), count, performance.now()];
		await sleep(seconds * 1_000);
		const [used, trips, elapsed] = [cpu() - cpuBefore, count - countBefore, performance.now() - startedAt];
		destroyAll(sockets);
		return { value: used / trips, perSecond: (trips / elapsed) * 1_000 };
	},

	/** Open, one echo, close, many at once: CPU for each handshake. */
	async handshakes({ port, tls, count, atOnce, hosts = 1, paths = 1, prefix = "", headers }) {
		const one = async (i) => {
			const path = paths > 1 ? `${prefix}/r${i % paths}/x` : "/";
			const socket = await open({ port, tls, path, host: hosts > 1 ? `h${i % hosts}.test` : "bench.test", headers });
			destroyAll([socket]);
		};
		const run = async (total) => {
			let next = 0;
			await Promise.all(
				Array.from({ length: atOnce }, async () => {
					while (next < total) await one(next++);
				}),
			);
		};
		await run(Math.min(2_000, count));
		await sleep(500);
		const [cpuBefore, startedAt] = [cpu(), performance.now()];
		await run(count);
		await sleep(300);
		return { value: (cpu() - cpuBefore) / count, perSecond: (count / (performance.now() - startedAt)) * 1_000 };
	},

	/** Memory of the proxy with idle tunnels, less without. KiB for each. */
	async idle({ port, tls, connections }) {
		// What the first connections make the proxy allocate for good does not count.
		destroyAll(await openMany(200, { port, tls }));
		await sleep(2_000);
		const before = memory();
		const sockets = await openMany(connections, { port, tls });
		await sleep(4_000);
		const value = (memory() - before) / connections;
		destroyAll(sockets);
		await sleep(1_000);
		return { value };
	},

	/** Messages at a fixed rate over many connections: the time to the echo. Milliseconds. */
	async latency({ port, connections, size, rate, seconds }) {
		const { bytes, echo } = makeFrame(size);
		const times = [];
		let recording = false;
		const sockets = await openMany(connections, { port });
		for (const socket of sockets) {
			let missing = echo;
			socket.sentAt = 0;
			socket.received = (length) => {
				missing -= length;
				if (missing > 0) return;
				missing += echo;
				if (recording) times.push(performance.now() - socket.sentAt);
				socket.sentAt = 0;
			};
		}
		const startedAt = performance.now();
		let sent = 0;
		while (performance.now() - startedAt < seconds * 1_000 + 1_000) {
			recording ||= performance.now() - startedAt > 1_000;
			const due = ((performance.now() - startedAt) / 1_000) * rate;
			for (; sent < due; sent++) {
				const socket = sockets[sent % connections];
				if (socket.sentAt !== 0) continue;
				socket.sentAt = performance.now();
				socket.write(bytes);
			}
			await sleep(1);
		}
		destroyAll(sockets);
		times.sort((a, b) => a - b);
		const at = (share) => times[Math.floor(times.length * share)];
		return { value: at(0.99), p50: at(0.5), p99: at(0.99) };
	},

	/** That the peer works at all: sizes around every length encoding come back whole. */
	async correctness({ port, tls }) {
		for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
			const { bytes, echo } = makeFrame(size);
			const socket = await open({ port, tls });
			let got = 0;
			await new Promise((resolve, reject) => {
				const timer = setTimeout(() => reject(new Error(`${got} of ${echo} bytes came back`)), 10_000);
				socket.received = (length) => {
					got += length;
					if (got < echo) return;
					clearTimeout(timer);
					resolve();
				};
				socket.write(bytes);
			});
			destroyAll([socket]);
			if (got !== echo) throw new Error(`${got} bytes came back for ${echo}`);
		}
		return { value: 1 };
	},
};

try {
	console.log(JSON.stringify(await LOADS[kind](options)));
	process.exit(0);
} catch (error) {
	console.log(JSON.stringify({ error: error.message }));
	process.exit(0);
}
