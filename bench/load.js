// One load in a process of its own: node load.js '{"kind": …}'. Prints its result as one JSON line.
import { closed, destroyAll, makeFrame, open, openMany } from "./client.js";
import { cpu, memory, sleep } from "./process.js";

const { kind, pids, ...options } = JSON.parse(process.argv[2]);

const LOADS = {
	/** Ping-pong on every connection for some seconds: CPU for each round trip. Microseconds. */
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
		// Compilers of the proxies that have one are done by then.
		await sleep(2_000);
		const [cpuBefore, countBefore, startedAt] = [cpu(pids), count, performance.now()];
		await sleep(seconds * 1_000);
		const [used, trips, elapsed] = [cpu(pids) - cpuBefore, count - countBefore, performance.now() - startedAt];
		destroyAll(sockets);
		if (trips === 0) throw new Error("not one message came back");
		return { value: used / trips, perSecond: (trips / elapsed) * 1_000 };
	},

	/**
	 * Open and close, many at once: CPU for each connection from its opening handshake to its end. Microseconds. Clients
	 * close with a closing handshake, as libraries and browsers do, or (`drop`) they are just gone.
	 */
	async handshakes({ port, tls, count, atOnce, hosts = 1, paths = 1, headers, drop = false }) {
		const one = async (i) => {
			const path = paths > 1 ? `/r${i % paths}/x` : "/";
			const socket = await open({ port, tls, path, host: hosts > 1 ? `h${i % hosts}.test` : "bench.test", headers });
			if (!drop) await closed(socket);
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
		// What compiles does most of it before; V8 is not done after as many as are measured.
		await run(2 * count);
		await sleep(500);
		const [cpuBefore, startedAt] = [cpu(pids), performance.now()];
		await run(count);
		const elapsed = performance.now() - startedAt;
		await sleep(300);
		return { value: (cpu(pids) - cpuBefore) / count, perSecond: (count / elapsed) * 1_000 };
	},

	/**
	 * What each further idle tunnel adds: memory with `base + connections` tunnels less memory with `base`. KiB for each.
	 * The first ones pay for what a proxy allocates once, such as young generations and pools.
	 */
	async idle({ port, tls, base, connections, settle }) {
		const first = await openMany(base, { port, tls });
		await sleep(settle * 1_000);
		const before = memory(pids);
		const others = await openMany(connections, { port, tls });
		await sleep(settle * 1_000);
		const after = memory(pids);
		const lost = [...first, ...others].filter((socket) => socket.destroyed).length;
		if (lost > 0) throw new Error(`${lost} tunnels were closed while they were idle`);
		destroyAll([...first, ...others]);
		return { value: (after - before) / connections, total: after };
	},

	/**
	 * Messages at a fixed rate, evenly spread over time and connections: the time to the echo. Milliseconds. A connection
	 * whose last message is still under way when its turn comes counts as having taken as long as that.
	 */
	async latency({ port, connections, size, rate, seconds }) {
		const { bytes, echo } = makeFrame(size);
		const times = new Float64Array(rate * (seconds + 1));
		let got = 0;
		const turn = (connections / rate) * 1_000;
		let recording = false;
		const sockets = await openMany(connections, { port });
		for (const socket of sockets) {
			let missing = echo;
			socket.sentAt = 0;
			socket.received = (length) => {
				missing -= length;
				if (missing > 0) return;
				missing += echo;
				if (recording && got < times.length) times[got++] = performance.now() - socket.sentAt;
				socket.sentAt = 0;
			};
		}
		const warmUp = 2_000;
		const startedAt = performance.now();
		const own = process.cpuUsage();
		let sent = 0;
		await new Promise((resolve) => {
			const timer = setInterval(() => {
				const elapsed = performance.now() - startedAt;
				recording = elapsed > warmUp;
				if (elapsed > warmUp + seconds * 1_000) {
					clearInterval(timer);
					resolve();
				}
				for (const due = (elapsed / 1_000) * rate; sent < due; sent++) {
					const socket = sockets[sent % connections];
					if (socket.sentAt !== 0) {
						if (recording && got < times.length) times[got++] = turn;
						continue;
					}
					socket.sentAt = performance.now();
					socket.write(bytes);
				}
			}, 1);
		});
		const { user, system } = process.cpuUsage(own);
		// Far below 1, or it is the client that is measured.
		const clientCpu = (user + system) / 1_000 / (performance.now() - startedAt);
		destroyAll(sockets);
		const sorted = times.subarray(0, got).sort();
		const at = (share) => sorted[Math.floor(got * share)];
		return { value: at(0.99), p50: at(0.5), perSecond: got / seconds, clientCpu };
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

const result = await LOADS[kind](options).catch((error) => ({ error: error.message }));
// The sockets of a failed load must not keep the process.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
