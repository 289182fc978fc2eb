// One process of clients: node client.js '{"port", "localAddress", "atOnce"}', forked; does what its parent asks.
import { makeFrame, open } from "../client.js";
import { sleep } from "../process.js";

const { port, localAddress, atOnce } = JSON.parse(process.argv[2]);
const [CLOSE, PING] = [0x8, 0x9];
const MESSAGE = makeFrame(64);
/** Close 1000, masked with zeros. */
const GOODBYE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
/** Every so many of the connections that come and go end without a Close. */
const DROPPED = 10;

/** The tunnels that are held. */
const held = [];

/** Runs `one(i)` for 0 … count − 1, some at once; failures are counted by their words. */
async function all(count, one) {
	let next = 0;
	const failures = {};
	await Promise.all(
		Array.from({ length: atOnce }, async () => {
			while (next < count) {
				const index = next++;
				await one(index).catch(({ message }) => {
					failures[message] = (failures[message] ?? 0) + 1;
				});
			}
		}),
	);
	return failures;
}

/** Reads the server's short, unfragmented frames: counts echoes, answers Ping and Close. */
function onFrames(tunnel, length, buffer) {
	let bytes = buffer.subarray(0, length);
	if (tunnel.rest !== undefined) bytes = Buffer.concat([tunnel.rest, bytes]);
	let at = 0;
	while (bytes.length - at >= 2) {
		const size = bytes[at + 1];
		if (size > 125) throw new Error(`a frame of a kind that nobody sent: ${bytes.toString("hex", at, at + 8)}`);
		if (bytes.length - at < 2 + size) break;
		onFrame(tunnel, bytes[at] & 0x0f, bytes.subarray(at + 2, at + 2 + size));
		at += 2 + size;
	}
	tunnel.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
}

function onFrame(tunnel, opcode, payload) {
	if (opcode === CLOSE) {
		tunnel.closeCode = payload.length >= 2 ? payload.readUInt16BE() : 1005;
		tunnel.closeReason = payload.toString("utf8", 2);
		if (!tunnel.saidGoodbye) tunnel.socket.write(Buffer.concat([Buffer.from([0x88, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
	} else if (opcode === PING) {
		tunnel.pings++;
		tunnel.socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
	} else {
		tunnel.echoes++;
		tunnel.onEcho?.();
	}
}

async function openTunnel() {
	const tunnel = { echoes: 0, pings: 0, closeCode: undefined, closeReason: "", error: undefined, ended: false, rest: undefined, saidGoodbye: false, onEcho: undefined, onEnd: undefined };
	// A frame may come with the 101, before `open` has resolved.
	function received(length, buffer) {
		tunnel.socket = this;
		onFrames(tunnel, length, buffer);
	}
	tunnel.socket = await open({ port, localAddress, received });
	tunnel.socket.on("error", (error) => {
		tunnel.error = error.code;
	});
	tunnel.socket.on("close", () => {
		tunnel.ended = true;
		tunnel.onEnd?.();
	});
	return tunnel;
}

/** One connection that comes and goes: a message and its echo, then a Close and its echo, or just FIN. */
async function comeAndGo(index) {
	const tunnel = await openTunnel();
	await new Promise((resolve, reject) => {
		tunnel.onEnd = () => reject(new Error(`ended before the echo: ${tunnel.error ?? tunnel.closeCode}`));
		tunnel.onEcho = resolve;
		tunnel.socket.write(MESSAGE.bytes);
	});
	await new Promise((resolve) => {
		tunnel.onEnd = resolve;
		if (index % DROPPED === 0) tunnel.socket.destroy();
		else {
			tunnel.saidGoodbye = true;
			tunnel.socket.write(GOODBYE);
		}
	});
	if (index % DROPPED !== 0 && tunnel.closeCode !== 1000) throw new Error(`closed with ${tunnel.closeCode ?? tunnel.error ?? "nothing"}`);
}

const COMMANDS = {
	/** Opens tunnels and keeps them. */
	async open(count) {
		const failures = await all(count, async () => void held.push(await openTunnel()));
		const lost = held.filter(({ ended, closeCode }) => ended || closeCode !== undefined);
		for (const { closeCode, closeReason, error } of lost) {
			const words = `opened, then lost: ${closeCode ?? error ?? "no Close"} ${closeReason}`;
			failures[words] = (failures[words] ?? 0) + 1;
		}
		return { open: held.length - lost.length, failures };
	},

	/** One message through every tunnel. */
	async echo() {
		const before = held.reduce((sum, { echoes }) => sum + echoes, 0);
		for (const [i, { socket }] of held.entries()) {
			socket.write(MESSAGE.bytes);
			if (i % atOnce === 0) await sleep(1);
		}
		const echoed = () => held.reduce((sum, { echoes }) => sum + echoes, 0) - before;
		for (let i = 0; i < 600 && echoed() < held.length; i++) await sleep(100);
		return { echoed: echoed(), alive: held.filter(({ ended }) => !ended).length };
	},

	/** Waits until all held tunnels have ended, and says how. */
	async ends(timeout) {
		const deadline = performance.now() + timeout;
		while (performance.now() < deadline && held.some(({ ended }) => !ended)) await sleep(100);
		const codes = {};
		for (const { ended, closeCode, error } of held) {
			const how = ended ? `${closeCode ?? "no Close"}${error ? ` then ${error}` : ""}` : "still open";
			codes[how] = (codes[how] ?? 0) + 1;
		}
		return { codes, pings: held.reduce((sum, { pings }) => sum + pings, 0) };
	},

	/** Opens and closes so many. */
	async churn(count) {
		return { failures: await all(count, comeAndGo) };
	},
};

process.on("message", async (message) => {
	const [command, argument] = Object.entries(message)[0];
	process.send(await COMMANDS[command](argument).catch((error) => ({ error: error.stack })));
});
process.on("disconnect", () => process.exit(0));
