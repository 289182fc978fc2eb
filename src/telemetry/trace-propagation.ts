/** Which trace a request belongs to, and how the backend is told: by the SDK's propagator, else W3C Trace Context. */
import type { IncomingHttpHeaders } from "node:http";
import { type Context, createTraceState, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { TraceHeaders } from "../protocol/headers.ts";
import { isWireValue } from "../protocol/headers.ts";
import { formatTraceparent, parseTraceparent } from "../protocol/trace-context.ts";

const W3C = new Set(["traceparent", "tracestate"]);

/**
 * A context with the client's span as the parent; an empty one when it named none. Anybody is believed: it is an id, and
 * what a stranger's `sampled` is worth is decided by the SDK's sampler.
 */
export function clientContext(headers: IncomingHttpHeaders): Context {
	if (propagation.fields().length > 0) return propagation.extract(ROOT_CONTEXT, headers);
	const parent = parseTraceparent(headers.traceparent);
	if (parent === undefined) return ROOT_CONTEXT;
	const { tracestate } = headers;
	return trace.setSpanContext(ROOT_CONTEXT, {
		traceId: parent.traceId,
		spanId: parent.parentId,
		traceFlags: parent.flags,
		isRemote: true,
		...(typeof tracestate === "string" ? { traceState: createTraceState(tracestate) } : {}),
	});
}

/** What the backend is sent in place of the client's headers; undefined when the context has no span to be named. */
export function traceHeaders(context: Context): TraceHeaders | undefined {
	const spanContext = trace.getSpanContext(context);
	if (spanContext === undefined || !trace.isSpanContextValid(spanContext)) return undefined;
	const fields = propagation.fields();
	if (fields.length === 0) {
		const { traceId, spanId, traceFlags, traceState } = spanContext;
		const list = ["traceparent", formatTraceparent({ traceId, parentId: spanId, flags: traceFlags })];
		const state = traceState?.serialize();
		if (state) list.push("tracestate", state);
		return { names: W3C, list };
	}
	const names = new Set(fields.map((name) => name.toLowerCase()));
	const list: string[] = [];
	propagation.inject(context, list, {
		set: (carrier, name, value) => {
			// A propagator that passes on a client's text must not be able to break the head.
			if (!/^[\w-]+$/.test(name) || !isWireValue(value)) return;
			names.add(name.toLowerCase());
			carrier.push(name, value);
		},
	});
	return { names, list };
}
