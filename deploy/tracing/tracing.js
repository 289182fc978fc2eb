/**
 * Brings an OpenTelemetry SDK to the gateway, which itself only has the API:
 *
 *     npm install --prefix deploy/tracing
 *     OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 \
 *       node --import ./deploy/tracing/tracing.js dist/main.js run -c routes.yaml
 *
 * Environment:
 *     OTEL_TRACES_EXPORTER          otlp (default), or console to see the spans on stdout
 *     OTEL_EXPORTER_OTLP_ENDPOINT   the collector, default http://localhost:4318
 *     OTEL_SERVICE_NAME             default clawgate
 *     OTEL_TRACES_SAMPLER_ARG       share of traces that are recorded, 0 to 1, default 1
 */
import { propagation, trace } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
	BasicTracerProvider,
	BatchSpanProcessor,
	ConsoleSpanExporter,
	ParentBasedSampler,
	TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";

const share = new TraceIdRatioBasedSampler(Number(process.env.OTEL_TRACES_SAMPLER_ARG ?? 1));

const provider = new BasicTracerProvider({
	resource: defaultResource().merge(
		resourceFromAttributes({ "service.name": process.env.OTEL_SERVICE_NAME ?? "clawgate" }),
	),
	// The gateway continues the trace that a client names, whoever the client is. With the same share for those, a stranger
	// who marks every request as sampled does not fill the disks of the collector.
	sampler: new ParentBasedSampler({ root: share, remoteParentSampled: share }),
	spanProcessors: [new BatchSpanProcessor(await exporter(process.env.OTEL_TRACES_EXPORTER ?? "otlp"))],
});

trace.setGlobalTracerProvider(provider);
propagation.setGlobalPropagator(
	new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
);

// After the drain nothing is left to do: the last spans go out, then the process ends.
process.once("beforeExit", () => {
	provider.shutdown().catch((error) => console.error(`the last traces could not be sent: ${error.message}`));
});

/** @param {string} name */
async function exporter(name) {
	if (name === "console") return new ConsoleSpanExporter();
	if (name !== "otlp") throw new Error(`OTEL_TRACES_EXPORTER is ${name}; expected otlp or console`);
	// Reads OTEL_EXPORTER_OTLP_* itself.
	const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
	return new OTLPTraceExporter();
}
