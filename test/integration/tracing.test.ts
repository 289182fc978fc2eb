/** Traces: who is the parent, what a span says, and what the backend and the log are told. */
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AlwaysOffSampler, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../harness/gateway.ts";
import { until } from "../harness/poll.ts";
import { closedPort } from "../harness/ports.ts";
import { refusing, silent, startRawBackend } from "../harness/raw-backend.ts";
import { connectRaw, openRaw } from "../harness/raw-client.ts";
import { startWsBackend, type WsBackend } from "../harness/ws-backend.ts";
import { registerSdk } from "./tracing.fixtures.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

function config(endpoints: string, route = ""): string {
	return [
		'listeners: [{ name: public, address: "127.0.0.1:0" }]',
		`upstreams: { pool: { endpoints: [${endpoints}] } }`,
		`routes: [{ name: chat, match: { path_prefix: /ws }, upstream: pool, ${route} }]`,
	].join("\n");
}

const backendOf = (): Promise<WsBackend> =>
	startWsBackend({ onRequest: (request, response) => response.end(JSON.stringify(request.headers)) });

describe("without an SDK", () => {
	it("a client's trace is passed on as it came, and is in the log", async () => {
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		await openRaw(gateway.port, "/ws", {
			headers: { traceparent: TRACEPARENT, tracestate: "vendor=1", baggage: "a=b" },
		});
		expect(backend.requests[0]?.headers).toMatchObject({
			traceparent: TRACEPARENT,
			tracestate: "vendor=1",
			baggage: "a=b",
		});
		expect((await gateway.waitForLog("ws.open")).trace_id).toBe(TRACE);
	});

	it("nothing is made up", async () => {
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		await openRaw(gateway.port, "/ws");
		expect(backend.requests[0]?.headers).not.toHaveProperty("traceparent");
		expect(await gateway.waitForLog("ws.open")).not.toHaveProperty("trace_id");
	});

	it("a trace id that is none stays out of the log", async () => {
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		const zero = `00-${"0".repeat(32)}-${PARENT}-01`;
		await openRaw(gateway.port, "/ws", { headers: { traceparent: zero } });
		expect(backend.requests[0]?.headers.traceparent).toBe(zero);
		expect(await gateway.waitForLog("ws.open")).not.toHaveProperty("trace_id");
	});
});

describe("an opening handshake", () => {
	it("is a span that continues the client's trace, with one child for the attempt that the backend continues", async () => {
		const sdk = registerSdk();
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		const client = await openRaw(gateway.port, "/ws/room?token=s3cret", {
			headers: { traceparent: TRACEPARENT, tracestate: "vendor=1", "User-Agent": "probe/1" },
			subprotocols: ["chat.v2"],
		});
		// The span ends with the 101, while the WebSocket is open.
		const handshake = await sdk.span("websocket handshake");
		expect(client.socket.destroyed).toBe(false);
		const attempt = await sdk.span("websocket attempt");
		expect(sdk.spans()).toHaveLength(2);

		const ids = handshake.spanContext();
		expect(ids.traceId).toBe(TRACE);
		expect(handshake.kind).toBe(SpanKind.SERVER);
		expect(handshake.parentSpanContext).toMatchObject({ spanId: PARENT, isRemote: true });
		const opened = await gateway.waitForLog("ws.open");
		expect(handshake.attributes).toEqual({
			"http.request.method": "GET",
			"http.response.status_code": 101,
			"url.scheme": "http",
			"url.path": "/ws/room",
			"server.address": "gateway.test",
			"server.port": gateway.port,
			"client.address": "127.0.0.1",
			"network.peer.address": "127.0.0.1",
			"network.protocol.name": "http",
			"network.protocol.version": "1.1",
			"user_agent.original": "probe/1",
			"clawgate.connection_id": opened.connection_id,
			"clawgate.listener": "public",
			"clawgate.route": "chat",
			"clawgate.upstream": "pool",
			"clawgate.endpoint": backend.id,
			"clawgate.subprotocol": "chat.v2",
			"clawgate.attempts": 1,
		});
		expect(handshake.status.code).toBe(SpanStatusCode.UNSET);

		expect(attempt.kind).toBe(SpanKind.CLIENT);
		expect(attempt.spanContext().traceId).toBe(TRACE);
		expect(attempt.parentSpanContext?.spanId).toBe(ids.spanId);
		expect(attempt.attributes).toEqual({
			"server.address": "127.0.0.1",
			"server.port": backend.port,
			"network.transport": "tcp",
			"http.response.status_code": 101,
			"clawgate.endpoint": backend.id,
			"clawgate.outcome": "ok",
		});
		expect(backend.requests[0]?.rawHeaders.filter((name) => /^trace/i.test(name))).toEqual([
			"traceparent",
			"tracestate",
		]);
		expect(backend.requests[0]?.headers).toMatchObject({
			traceparent: `00-${TRACE}-${attempt.spanContext().spanId}-01`,
			tracestate: "vendor=1",
		});
		expect(opened.trace_id).toBe(TRACE);
		client.end();
		expect((await gateway.waitForLog("ws.close")).trace_id).toBe(TRACE);
		expect(JSON.stringify(sdk.spans().map(({ attributes }) => attributes))).not.toContain("s3cret");
	});

	it("without a client's trace begins one, which the log and the backend get", async () => {
		const sdk = registerSdk();
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		await openRaw(gateway.port, "/ws", { headers: { traceparent: "00-not-a-trace-01", tracestate: "left=over" } });
		const handshake = await sdk.span("websocket handshake");
		const { traceId } = handshake.spanContext();
		expect(handshake.parentSpanContext).toBeUndefined();
		const { spanId } = (await sdk.span("websocket attempt")).spanContext();
		expect(backend.requests[0]?.headers.traceparent).toBe(`00-${traceId}-${spanId}-01`);
		expect(backend.requests[0]?.headers).not.toHaveProperty("tracestate");
		expect((await gateway.waitForLog("ws.open")).trace_id).toBe(traceId);
	});

	it("has a child for each attempt, with its outcome", async () => {
		const sdk = registerSdk();
		const gone = await closedPort();
		const mute = await startRawBackend(silent);
		const full = await startRawBackend(refusing(503));
		const backend = await backendOf();
		const gateway = await startTestGateway(
			config(
				`"ws://127.0.0.1:${gone}", "${mute.url}", "${full.url}", "${backend.url}"`,
				'retries: { attempts: 4, on: [connect_failure, handshake_timeout, "503"] }, timeouts: { handshake: 300ms }',
			),
		);
		await openRaw(gateway.port, "/ws");
		const handshake = await sdk.span("websocket handshake");
		expect(handshake.attributes["clawgate.attempts"]).toBe(4);
		const attempts = sdk.spans().filter((span) => span.name === "websocket attempt");
		const told = ({ attributes, status }: ReadableSpan) => [
			attributes["clawgate.outcome"],
			attributes["http.response.status_code"],
			attributes["error.type"],
			attributes["http.request.resend_count"],
			status.code,
		];
		const { ERROR, UNSET } = SpanStatusCode;
		expect(attempts.map(told)).toEqual([
			["connect_failure", undefined, "connect_failure", undefined, ERROR],
			["handshake_timeout", undefined, "handshake_timeout", 1, ERROR],
			["503", 503, "503", 2, ERROR],
			["ok", 101, undefined, 3, UNSET],
		]);
		expect(new Set(attempts.map((span) => span.parentSpanContext?.spanId))).toEqual(
			new Set([handshake.spanContext().spanId]),
		);
	});

	it("that is refused tells the status: an error only when it is not the client's", async () => {
		const sdk = registerSdk();
		const gateway = await startTestGateway(config(`"ws://127.0.0.1:${await closedPort()}"`));
		const lost = await connectRaw({ port: gateway.port });
		expect((await lost.handshake("/nowhere")).status).toBe(404);
		const [notFound] = await until(() => sdk.spans().length === 1 && sdk.spans(), { what: "the span" });
		expect(notFound?.attributes).toMatchObject({ "http.response.status_code": 404, "clawgate.code": "NO_ROUTE" });
		expect(notFound?.attributes).not.toHaveProperty("error.type");
		expect(notFound?.status.code).toBe(SpanStatusCode.UNSET);

		const refused = await connectRaw({ port: gateway.port });
		expect((await refused.handshake("/ws")).status).toBe(502);
		const failed = await until(
			() => sdk.spans().find((span) => span.attributes["clawgate.code"] === "CONNECT_FAILED"),
			{
				what: "the span",
			},
		);
		expect(failed.attributes).toMatchObject({ "http.response.status_code": 502, "error.type": "CONNECT_FAILED" });
		expect(failed.status).toMatchObject({ code: SpanStatusCode.ERROR, message: expect.stringContaining("refused") });
		expect((await gateway.waitForLog(({ code }) => code === "CONNECT_FAILED")).trace_id).toBe(
			failed.spanContext().traceId,
		);
	});

	it("whose client leaves ends without a status, and is no failure of the backend", async () => {
		const sdk = registerSdk();
		const mute = await startRawBackend(silent);
		const gateway = await startTestGateway(config(`"${mute.url}"`));
		const client = await connectRaw({ port: gateway.port });
		client.write(client.handshakeHead("/ws"));
		await mute.connection();
		client.reset();
		const span = await sdk.span("websocket handshake");
		expect(span.attributes).toMatchObject({ "clawgate.code": "CLIENT_GONE" });
		expect(span.attributes).not.toHaveProperty("http.response.status_code");
		expect(span.status.code).toBe(SpanStatusCode.UNSET);
		const attempt = await sdk.span("websocket attempt");
		expect(attempt.attributes["clawgate.outcome"]).toBe("client_gone");
		expect(attempt.status.code).toBe(SpanStatusCode.UNSET);
	});

	it("that a sampler leaves out has a trace id all the same, and says so to the backend", async () => {
		const sdk = registerSdk({ sampler: new AlwaysOffSampler() });
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		await openRaw(gateway.port, "/ws", { headers: { traceparent: TRACEPARENT } });
		expect(backend.requests[0]?.headers.traceparent).toMatch(new RegExp(`^00-${TRACE}-(?!${PARENT})[0-9a-f]{16}-00$`));
		expect((await gateway.waitForLog("ws.open")).trace_id).toBe(TRACE);
		expect(sdk.spans()).toEqual([]);
	});

	it("uses the propagator that is registered, in both directions, and its headers only", async () => {
		const KEY = Symbol.for("test.color");
		const sdk = registerSdk({
			propagator: {
				fields: () => ["X-Trace"],
				extract: (into, carrier, getter) => {
					const [traceId, spanId] = String(getter.get(carrier, "x-trace")).split(":") as [string, string];
					return trace.setSpanContext(into, { traceId, spanId, traceFlags: 1, isRemote: true }).setValue(KEY, "seen");
				},
				inject: (from, carrier, setter) => {
					setter.set(carrier, "X-Trace", `${trace.getSpanContext(from)?.spanId} ${from.getValue(KEY)}`);
					setter.set(carrier, "X-Bad", "split\r\nthe: head");
				},
			},
		});
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		await openRaw(gateway.port, "/ws", { headers: { "X-Trace": `${TRACE}:${PARENT}`, traceparent: "left alone" } });
		const handshake = await sdk.span("websocket handshake");
		expect(handshake.parentSpanContext?.spanId).toBe(PARENT);
		const { headers } = backend.requests[0] ?? {};
		expect(headers?.["x-trace"]).toBe(`${(await sdk.span("websocket attempt")).spanContext().spanId} seen`);
		expect(headers?.traceparent).toBe("left alone");
		expect(headers).not.toHaveProperty("x-bad");
	});

	it("goes on when the SDK throws", async () => {
		const boom = (): never => {
			throw new Error("boom");
		};
		registerSdk({
			processors: [{ onStart: boom, onEnd: boom, forceFlush: async () => undefined, shutdown: async () => undefined }],
		});
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		const client = await openRaw(gateway.port, "/ws", { headers: { traceparent: TRACEPARENT } });
		client.sendClose(1000);
		client.end();
		expect((await gateway.waitForLog("ws.close")).close_code).toBe(1000);
		await gateway.expectQuiet();
	});
});

describe("a plain request", () => {
	it("is a span with one child, too", async () => {
		const sdk = registerSdk();
		const backend = await backendOf();
		const gateway = await startTestGateway(config(`"${backend.url}"`));
		const answer = await fetch(gateway.url("/ws/poll?sid=s3cret", "http"), {
			method: "POST",
			body: "x",
			headers: { traceparent: TRACEPARENT },
		});
		const seen = (await answer.json()) as Record<string, string>;
		const request = await sdk.span("POST");
		expect(request.kind).toBe(SpanKind.SERVER);
		expect(request.parentSpanContext?.spanId).toBe(PARENT);
		expect(request.attributes).toMatchObject({
			"http.request.method": "POST",
			"http.response.status_code": 200,
			"url.path": "/ws/poll",
			"clawgate.route": "chat",
			"clawgate.endpoint": backend.id,
		});
		const attempt = await sdk.span("http attempt");
		expect(attempt.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
		expect(attempt.attributes).toMatchObject({ "http.response.status_code": 200, "clawgate.outcome": "200" });
		expect(seen.traceparent).toBe(`00-${TRACE}-${attempt.spanContext().spanId}-01`);
		expect((await gateway.waitForLog("http.request")).trace_id).toBe(TRACE);
	});

	it("that fails says so", async () => {
		const sdk = registerSdk();
		const gateway = await startTestGateway(config(`"ws://127.0.0.1:${await closedPort()}"`));
		expect((await fetch(gateway.url("/ws", "http"))).status).toBe(502);
		const span = await sdk.span("GET");
		expect(span.attributes).toMatchObject({ "error.type": "CONNECT_FAILED", "http.response.status_code": 502 });
		expect(span.status.code).toBe(SpanStatusCode.ERROR);
		expect((await sdk.span("http attempt")).attributes["clawgate.outcome"]).toBe("connect_failure");
	});
});
