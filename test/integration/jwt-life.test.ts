/** A token for the whole life of the connection: its expiry and its revocation end it. */
import { expect, test } from "vitest";
import { OPCODE } from "../harness/frames.ts";
import { startTestGateway } from "../harness/gateway.ts";
import { type Guarded, startGuarded } from "../harness/guarded.ts";
import { until } from "../harness/poll.ts";
import { readRequest, startRawBackend, switchingProtocols } from "../harness/raw-backend.ts";
import { connectRaw } from "../harness/raw-client.ts";
import { expectRejection } from "../harness/rejections.ts";
import { inSeconds, SECRET, token } from "../harness/tokens.ts";

async function open(guarded: Guarded, claims: Record<string, unknown>) {
	const client = await guarded.upgrade("/", { headers: { Authorization: `Bearer ${await token(claims)}` } });
	expect(client.head.status).toBe(101);
	return client;
}

async function refused(guarded: Guarded, claims: Record<string, unknown>): Promise<string> {
	const client = await guarded.upgrade("/", { headers: { Authorization: `Bearer ${await token(claims)}` } });
	return client.head.status === 101 ? "ok" : ((await client.readBody(client.head)).split(":")[0] as string);
}

const jwt = (more = "") => `auth: { jwt: { secret: "${SECRET}"${more} } }`;

test("the connection is closed with 4401 within a second of exp, also while it is busy", async () => {
	const guarded = await startGuarded(jwt(", clock_tolerance: 1m"));
	const exp = Math.ceil(Date.now() / 1000) + 1;
	const idle = await open(guarded, { sub: "ada", exp });
	const busy = await open(guarded, { sub: "eve", exp });
	const chatter = setInterval(() => busy.sendFrame(OPCODE.text, "hello"), 5);
	const close = await idle.readFrameOf(OPCODE.close);
	const closedAt = Date.now();
	const other = await busy.readFrameOf(OPCODE.close);
	clearInterval(chatter);
	for (const { payload } of [close, other]) {
		expect([payload.readUInt16BE(0), payload.subarray(2).toString()]).toEqual([4401, "token expired"]);
	}
	expect(closedAt).toBeGreaterThanOrEqual(exp * 1000);
	expect(closedAt).toBeLessThan(exp * 1000 + 1_000);
	for (const client of [idle, busy]) {
		client.sendClose(4401);
		client.end();
	}
	const log = await guarded.gateway.waitForLog(({ event, user }) => event === "ws.close" && user === "ada");
	expect(log).toMatchObject({ close_code: 4401, termination: "auth_expired", close_initiator: "gateway" });
	const socket = guarded.sockets[0];
	await until(() => socket?.readyState === socket?.CLOSED, { what: "the backend's socket to be closed" });
});

test("the backend is told 1001, and the code for the client can be chosen", async () => {
	const guarded = await startGuarded(`${jwt()}\nclose_codes: { auth_expired: 3000 }`);
	const client = await open(guarded, { exp: inSeconds(0.2) });
	let code: number | undefined;
	guarded.sockets[0]?.on("close", (given) => {
		code = given;
	});
	expect((await client.readFrameOf(OPCODE.close)).payload.readUInt16BE(0)).toBe(3000);
	await until(() => code === 1001, { what: "the backend to be told 1001" });
});

test("a token that only the clock tolerance lets in has the rest of the tolerance", async () => {
	const guarded = await startGuarded(jwt(", clock_tolerance: 3s"));
	const client = await open(guarded, { exp: inSeconds(-2.5) });
	expect((await client.readFrameOf(OPCODE.close)).payload.readUInt16BE(0)).toBe(4401);
});

test("close_on_expiry: false leaves the connection alone, and so does a token without exp", async () => {
	const guarded = await startGuarded(jwt(", close_on_expiry: false"));
	const kept = await open(guarded, { exp: inSeconds(0.1) });
	const other = await startGuarded(jwt());
	const endless = await open(other, {});
	await new Promise((resolve) => setTimeout(resolve, 400));
	for (const client of [kept, endless]) {
		client.sendFrame(OPCODE.text, "still here");
		expect((await client.readFrame()).payload.toString()).toBe("still here");
	}
});

test("revoking a sub ends its connections with 1008 within a second and refuses it from then on", async () => {
	const guarded = await startGuarded(jwt());
	const ada = [await open(guarded, { sub: "ada", jti: "1" }), await open(guarded, { sub: "ada", jti: "2" })];
	const eve = await open(guarded, { sub: "eve", jti: "3" });
	const startedAt = performance.now();
	expect(guarded.gateway.handle.revoke({ sub: "ada" }).closed).toBe(2);
	for (const client of ada) {
		const { payload } = await client.readFrameOf(OPCODE.close);
		expect([payload.readUInt16BE(0), payload.subarray(2).toString()]).toEqual([1008, "token revoked"]);
		client.sendClose(1008);
		client.end();
	}
	expect(performance.now() - startedAt).toBeLessThan(1_000);
	const log = await guarded.gateway.waitForLog("ws.close");
	expect(log).toMatchObject({ user: "ada", close_code: 1008, termination: "killed", close_initiator: "gateway" });
	expect(await refused(guarded, { sub: "ada", jti: "9" })).toBe("JWT_REVOKED");
	expect(
		(await guarded.http("/", { headers: { Authorization: `Bearer ${await token({ sub: "ada" })}` } })).head.status,
	).toBe(401);
	expect(await refused(guarded, { sub: "eve" })).toBe("ok");
	eve.sendFrame(OPCODE.text, "still here");
	expect((await eve.readFrame()).payload.toString()).toBe("still here");
});

test("revoking a jti ends that token only, and only until the time that was named", async () => {
	const guarded = await startGuarded(jwt());
	const one = await open(guarded, { sub: "ada", jti: "1" });
	await open(guarded, { sub: "ada", jti: "2" });
	expect(guarded.gateway.handle.revoke({ jti: "1", until: Date.now() + 300 }).closed).toBe(1);
	expect((await one.readFrameOf(OPCODE.close)).payload.readUInt16BE(0)).toBe(1008);
	expect(await refused(guarded, { sub: "ada", jti: "1" })).toBe("JWT_REVOKED");
	expect(await refused(guarded, { sub: "ada", jti: "2" })).toBe("ok");
	await until(async () => (await refused(guarded, { jti: "1" })) === "ok", { what: "the revocation to be over" });
	expect(() => guarded.gateway.handle.revoke({})).toThrow(RangeError);
	expect(() => guarded.gateway.handle.revoke({ sub: "a", jti: "b" })).toThrow(RangeError);
});

test("a token that is revoked while its handshake is under way opens nothing", async () => {
	let mayAnswer = false;
	const backend = await startRawBackend(async (peer) => {
		const request = await readRequest(peer);
		await until(() => mayAnswer, { what: "the test to let the backend answer" });
		peer.write(switchingProtocols(request));
	});
	const gateway = await startTestGateway(`
		listeners: [{ address: "127.0.0.1:0" }]
		upstreams: { app: { endpoints: ["${backend.url}"] } }
		routes: [{ name: app, upstream: app, ${jwt()} }]
	`);
	const client = await connectRaw({ port: gateway.port });
	const head = client.handshake("/", { headers: { Authorization: `Bearer ${await token({ sub: "ada" })}` } });
	await until(() => backend.connections[0]?.request, { what: "the request at the backend" });
	gateway.handle.revoke({ sub: "ada" });
	mayAnswer = true;
	await expectRejection(client, await head, 401, "JWT_REVOKED");
	expect(await (await backend.connection()).ended()).not.toBe("open");
	client.reset();
	await gateway.expectQuiet();
});
