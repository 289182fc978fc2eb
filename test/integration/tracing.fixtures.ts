/** An OpenTelemetry SDK as an operator would bring it, whose spans the tests read. */
import { propagation, type TextMapPropagator, trace } from "@opentelemetry/api";
import {
	BasicTracerProvider,
	InMemorySpanExporter,
	type ReadableSpan,
	type Sampler,
	SimpleSpanProcessor,
	type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { onTestFinished } from "vitest";
import { until } from "../harness/poll.ts";

export interface Sdk {
	/** Spans that ended so far. */
	spans(): ReadableSpan[];
	/** The first span with this name that ended, once there is one. */
	span(name: string): Promise<ReadableSpan>;
}

export interface SdkOptions {
	readonly propagator?: TextMapPropagator;
	readonly sampler?: Sampler;
	readonly processors?: SpanProcessor[];
}

/** Registers it; it is gone with the test. */
export function registerSdk({ propagator, sampler, processors = [] }: SdkOptions = {}): Sdk {
	const exporter = new InMemorySpanExporter();
	const provider = new BasicTracerProvider({
		spanProcessors: [new SimpleSpanProcessor(exporter), ...processors],
		...(sampler ? { sampler } : {}),
	});
	if (!trace.setGlobalTracerProvider(provider)) throw new Error("another SDK is registered already");
	if (propagator) propagation.setGlobalPropagator(propagator);
	onTestFinished(async () => {
		trace.disable();
		propagation.disable();
		await provider.shutdown();
	});
	const spans = () => exporter.getFinishedSpans();
	return {
		spans,
		span: (name) =>
			until(() => spans().find((span) => span.name === name), {
				what: `a span ${name}; there are: ${spans().map((span) => span.name)}`,
			}),
	};
}
