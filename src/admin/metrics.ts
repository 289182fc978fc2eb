/** `GET /metrics`, for Prometheus. */
import { sendBody } from "./respond.ts";
import type { AdminRoute } from "./router.ts";

/** Whatever can give the metrics of this gateway. */
export interface MetricsText {
	readonly contentType: string;
	render(): Promise<string>;
}

export function metricsRoute(metrics: MetricsText): AdminRoute {
	return {
		method: "GET",
		path: "/metrics",
		handler: async (_request, response) => sendBody(response, 200, metrics.contentType, await metrics.render()),
	};
}
