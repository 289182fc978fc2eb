/** What load balancers and orchestrators ask: is the process alive, may it get traffic. */
import { sendText } from "./respond.ts";
import type { AdminRoute } from "./router.ts";

export interface Readiness {
	readonly ready: boolean;
	/** Why not, in words. */
	readonly reason?: string | undefined;
}

/** `GET /healthz`: 200 as long as the process answers. `GET /readyz`: 503 with the reason while it should get no traffic. */
export function healthRoutes(readiness: () => Readiness): AdminRoute[] {
	return [
		{
			method: "GET",
			path: "/healthz",
			public: true,
			probe: true,
			handler: (_request, response) => sendText(response, 200, "ok"),
		},
		{
			method: "GET",
			path: "/readyz",
			public: true,
			probe: true,
			handler: (_request, response) => {
				const { ready, reason } = readiness();
				if (ready) sendText(response, 200, "ready");
				else sendText(response, 503, `not ready: ${reason ?? "unknown"}`);
			},
		},
	];
}
