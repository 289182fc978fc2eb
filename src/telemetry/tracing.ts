/**
 * Traces through the OpenTelemetry API. What records them is the SDK that the operator brings
 * (`node --import ./tracing.js …`); without one, a request costs one look.
 */
import {
	type Context,
	diag,
	type ProxyTracerProvider,
	type Span,
	SpanKind,
	SpanStatusCode,
	type Tracer,
	trace,
} from "@opentelemetry/api";
import {
	type ConnectionFacts,
	DETAILS,
	type EventSink,
	type HttpReport,
	type OpenReport,
	type RejectReport,
} from "../gateway/events.ts";
import type { Incoming } from "../gateway/incoming.ts";
import type { AttemptTrace, RequestTrace, Tracing } from "../gateway/tracing.ts";
import type { TraceHeaders } from "../protocol/headers.ts";
import type { Endpoint } from "../upstreams/endpoint.ts";
import { attemptAttributes, methodOf, requestAttributes, routeAttributes } from "./span-attributes.ts";
import { clientContext, traceHeaders } from "./trace-propagation.ts";

const SCOPE = "clawgate";

/**
 * One span for each opening handshake and each plain HTTP request, from its head to its answer, with one child for each
 * attempt. It has to be the first of the gateway's sinks: later ones see facts whose trace has ended.
 */
export class OpenTelemetryTracing implements Tracing, EventSink {
	begin(incoming: Incoming, websocket: boolean): void {
		const tracer = registeredTracer();
		if (tracer === undefined) return;
		guarded(() => {
			const { message, facts, details } = incoming;
			const parent = clientContext(message.headers);
			const name = websocket ? "websocket handshake" : (methodOf(details.method) ?? "HTTP");
			const attributes = requestAttributes(incoming);
			const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
			const spanContext = span.spanContext();
			if (trace.isSpanContextValid(spanContext)) facts.trace_id = spanContext.traceId;
			details.trace = new SpanOfRequest(tracer, span, trace.setSpan(parent, span), websocket);
		});
	}

	open(facts: ConnectionFacts, report: OpenReport): void {
		takeSpan(facts)?.end(facts, 101, { "clawgate.attempts": report.attempts.length });
	}

	reject(facts: ConnectionFacts, report: RejectReport): void {
		const { status, code, attempts, message } = report;
		takeSpan(facts)?.end(facts, status, { "clawgate.attempts": attempts.length, "clawgate.code": code }, code, message);
	}

	http(facts: ConnectionFacts, { status, code, bytes_out }: HttpReport): void {
		takeSpan(facts)?.end(facts, status, { "http.response.body.size": bytes_out, "clawgate.code": code }, code);
	}
}

class SpanOfRequest implements RequestTrace {
	readonly #tracer: Tracer;
	readonly #span: Span;
	/** In which attempts are children of the span. */
	readonly #context: Context;
	readonly #websocket: boolean;

	constructor(tracer: Tracer, span: Span, context: Context, websocket: boolean) {
		this.#tracer = tracer;
		this.#span = span;
		this.#context = context;
		this.#websocket = websocket;
	}

	attempt(endpoint: Endpoint, number: number): AttemptTrace {
		return (
			guarded(() => {
				const name = this.#websocket ? "websocket attempt" : "http attempt";
				const attributes = attemptAttributes(endpoint, number);
				const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes }, this.#context);
				return new SpanOfAttempt(span, traceHeaders(trace.setSpan(this.#context, span)));
			}) ?? UNTRACED
		);
	}

	/** A server's span has failed with a 5xx; what the client did wrong is no failure (semantic conventions for HTTP). */
	end(
		facts: ConnectionFacts,
		status: number,
		attributes: Record<string, string | number | undefined>,
		code?: string,
		message?: string,
	): void {
		const span = this.#span;
		guarded(() => {
			span.setAttributes({ ...routeAttributes(facts), ...attributes });
			// 499: the client was gone, nothing was answered.
			if (status !== 499) span.setAttribute("http.response.status_code", status);
			if (status >= 500) {
				span.setAttribute("error.type", code ?? String(status));
				span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
			}
		});
		guarded(() => span.end());
	}
}

class SpanOfAttempt implements AttemptTrace {
	readonly headers: TraceHeaders | undefined;
	readonly #span: Span;

	constructor(span: Span, headers: TraceHeaders | undefined) {
		this.#span = span;
		this.headers = headers;
	}

	/** A client's span has failed with a 4xx too. That the client of the gateway left is no failure of the backend. */
	end(outcome: string, status: number | undefined): void {
		const span = this.#span;
		guarded(() => {
			span.setAttribute("clawgate.outcome", outcome);
			if (status !== undefined) span.setAttribute("http.response.status_code", status);
			const failed = status === undefined ? outcome !== "client_gone" : status >= 400;
			if (!failed) return;
			span.setAttribute("error.type", outcome);
			span.setStatus({ code: SpanStatusCode.ERROR });
		});
		guarded(() => span.end());
	}
}

const UNTRACED: AttemptTrace = { headers: undefined, end: () => undefined };

/** The span that ends with this event. */
function takeSpan(facts: ConnectionFacts): SpanOfRequest | undefined {
	const details = facts[DETAILS];
	if (details === undefined || !(details.trace instanceof SpanOfRequest)) return undefined;
	const span = details.trace;
	// An open connection would keep it, with all its attributes, for hours.
	details.trace = undefined;
	return span;
}

/** The SDK's tracer; undefined when there is no SDK. It may be registered at any time. */
function registeredTracer(): Tracer | undefined {
	// What the API gives is always its proxy, perhaps that of another copy of the package: it tells whether it has an SDK.
	const provider = trace.getTracerProvider() as Partial<ProxyTracerProvider> & { getTracer(name: string): Tracer };
	return provider.getDelegateTracer ? provider.getDelegateTracer(SCOPE) : provider.getTracer(SCOPE);
}

/** Runs the SDK's code. A mistake in it goes to the API's own diagnostics, and does not become the request's. */
function guarded<T>(action: () => T): T | undefined {
	try {
		return action();
	} catch (error) {
		diag.error("clawgate: the tracing SDK failed", error);
		return undefined;
	}
}
