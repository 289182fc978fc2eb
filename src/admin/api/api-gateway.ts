/** What the API needs of a gateway: of one process, or of a supervisor, whose connections are in its workers. */
import { z } from "zod";
import type { DrainProgress, DrainRequest } from "../../gateway/drains.ts";
import type { Gateway } from "../../gateway/gateway.ts";

export interface ApiGateway
	extends Readonly<Pick<Gateway, "snapshot" | "stopping" | "connections" | "handshakes" | "hubs" | "clock">> {
	readonly drains: ApiDrains;
}

export interface ApiDrains {
	start(request: DrainRequest): unknown;
	/** Running ones and the last ended ones, oldest first. */
	list(): readonly DrainProgress[];
}

/** A field of every answer to which each worker process gives its part. */
export const missingWorkers = {
	missing_workers: z.array(z.int().positive()).optional().meta({
		description: "Numbers of worker processes that did not answer: their part is missing. Absent when all did.",
	}),
};
