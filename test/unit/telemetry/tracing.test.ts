import { propagation, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ConnectionFacts, DETAILS, type RequestDetails } from "../../../src/gateway/events.ts";
import type { Incoming } from "../../../src/gateway/incoming.ts";
import { clientContext, traceHeaders } from "../../../src/telemetry/trace-propagation.ts";
import { OpenTelemetryTracing } from "../../../src/telemetry/tracing.ts";
import { FACTS, OPENED } from "./events.fixtures.ts";

function register(): InMemorySpanExporter {
	const exporter = new InMemorySpanExporter();
	trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
	onTestFinished(() => trace.disable());
	return exporter;
}

function incoming(more: { headers?: Record<string, string>; method?: string; facts?: Partial<ConnectionFacts> } = {}) {
	const details: RequestDetails = { method: more.method ?? "GET", referer: undefined, bodyBytes: 0 };
	const facts: ConnectionFacts = { ...FACTS, ...more.facts, [DETAILS]: details };
	const request = {
		message: { headers: more.headers ?? {} },
		peerIp: "10.0.0.2",
		client: { clientIp: "203.0.113.7", secure: true, port: 443, trustedPeer: true },
		facts,
		details,
	};
	return { request: request as unknown as Incoming, facts, details };
}

describe("the tracer", () => {
	it("touches nothing of a request while no SDK is registered", () => {
		const untouchable = new Proxy({} as Incoming, {
			get: (_, name) => {
				throw new Error(`read ${String(name)}`);
			},
		});
		const tracing = new OpenTelemetryTracing();
		expect(() => tracing.begin(untouchable, true)).not.toThrow();
		const { facts, details } = incoming();
		tracing.open(facts, OPENED);
		expect(details.trace).toBeUndefined();
		expect(facts.trace_id).toBeUndefined();
	});

	it("sees an SDK that is registered later", () => {
		const tracing = new OpenTelemetryTracing();
		const before = incoming();
		tracing.begin(before.request, true);
		tracing.open(before.facts, OPENED);
		const exporter = register();
		const { request, facts } = incoming();
		tracing.begin(request, true);
		tracing.open(facts, OPENED);
		expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(["websocket handshake"]);
	});

	it("lets go of the span when it ends, so that an open connection does not keep it", () => {
		const exporter = register();
		const tracing = new OpenTelemetryTracing();
		const { request, facts, details } = incoming();
		tracing.begin(request, true);
		expect(details.trace).toBeDefined();
		expect(facts.trace_id).toMatch(/^[0-9a-f]{32}$/);
		tracing.open(facts, OPENED);
		expect(details.trace).toBeUndefined();
		// Whatever else is told of it, it ended once.
		tracing.open(facts, OPENED);
		expect(exporter.getFinishedSpans()).toHaveLength(1);
	});

	it("does not let a client make up names of methods, nor endless texts", () => {
		const exporter = register();
		const tracing = new OpenTelemetryTracing();
		const { request, facts } = incoming({ method: "PROPFIND", facts: { path: "/x".repeat(5000) } });
		tracing.begin(request, false);
		tracing.http(facts, { method: "PROPFIND", status: 200, duration_ms: 1, bytes_in: 0, bytes_out: 0 });
		const [span] = exporter.getFinishedSpans();
		expect(span?.name).toBe("HTTP");
		expect(span?.attributes).toMatchObject({
			"http.request.method": "_OTHER",
			"http.request.method_original": "PROPFIND",
			"url.scheme": "https",
			"server.port": 443,
		});
		expect(String(span?.attributes["url.path"])).toHaveLength(512);
	});
});

describe("what the backend is told", () => {
	const TRACE = "0af7651916cd43dd8448eb211c80319c";

	it("is nothing where there is no span", () => {
		expect(traceHeaders(clientContext({}))).toBeUndefined();
	});

	it("is W3C Trace Context without a propagator, tracestate included", () => {
		expect(propagation.fields()).toEqual([]);
		const context = clientContext({ traceparent: `00-${TRACE}-b7ad6b7169203331-01`, tracestate: "a=1,b=2" });
		expect(traceHeaders(context)).toEqual({
			names: new Set(["traceparent", "tracestate"]),
			list: ["traceparent", `00-${TRACE}-b7ad6b7169203331-01`, "tracestate", "a=1,b=2"],
		});
	});

	it("is no tracestate that is not valid", () => {
		const context = clientContext({ traceparent: `00-${TRACE}-b7ad6b7169203331-00`, tracestate: "a=1\r\nx: y" });
		expect(traceHeaders(context)?.list).toEqual(["traceparent", `00-${TRACE}-b7ad6b7169203331-00`]);
	});
});
