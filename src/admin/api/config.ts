/** `config`: the running configuration, without its secrets. */
import { z } from "zod";
import type { ApiGateway } from "./api-gateway.ts";
import { type ApiRoute, ok, operation } from "./operation.ts";

/** A copy that can be written as JSON: `***` for each secret, "off" for times without end. */
export type Redact = (value: unknown) => unknown;

const configSchema = z
	.strictObject({
		config: z.looseObject({}).meta({
			description:
				'As in routes.yaml, with every default written out and `defaults` merged into the routes. Durations are milliseconds or "off", sizes bytes, secrets "***".',
		}),
	})
	.meta({ id: "RunningConfig" });

export function configRoutes(gateway: ApiGateway, redact: Redact): ApiRoute[] {
	return [
		operation({
			method: "GET",
			path: "/api/v1/config",
			summary: "The running configuration",
			answers: { 200: { description: "The configuration, secrets replaced.", schema: configSchema } },
			handle: () => ok({ config: redact(gateway.snapshot.config) }),
		}),
	];
}
