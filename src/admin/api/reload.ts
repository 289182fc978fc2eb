/** `reload`: reads the configuration file anew. */
import { z } from "zod";
import { type ApiRoute, ok, operation } from "./operation.ts";

export interface ReloadOutcome {
	readonly result: "success" | "unchanged" | "rejected";
	/** Every problem as `F:line:col: key.path: message`; also warnings of a configuration that was taken. */
	readonly problems: readonly string[];
}

const problems = z.array(z.string()).meta({ description: "`F:line:col: key.path: message`, warnings too." });

const takenSchema = z.strictObject({ result: z.enum(["success", "unchanged"]), problems }).meta({ id: "Reloaded" });

const rejectedSchema = z
	.strictObject({
		result: z.literal("rejected"),
		problems,
		error: z.strictObject({ code: z.literal("CONFIG_REJECTED"), message: z.string() }),
	})
	.meta({ id: "ReloadRejected", description: "The running configuration stays." });

const body = z.strictObject({
	force: z.boolean().default(false).meta({
		description: "Also takes, at once, a configuration that drains more than half of all open connections.",
	}),
});

export function reloadRoutes(reload: (how: { readonly force: boolean }) => Promise<ReloadOutcome>): ApiRoute[] {
	return [
		operation({
			method: "POST",
			path: "/api/v1/reload",
			summary: "Reads the configuration file anew",
			description:
				"Only connections whose route or endpoint is gone are drained. A file with mistakes changes nothing. One that would drain more than half of all open connections is taken when it was read a second time and is still the same, after five seconds, or with `force`.",
			body,
			answers: {
				200: { description: "Taken, or equal to the running one.", schema: takenSchema },
				422: { description: "Rejected.", schema: rejectedSchema },
			},
			handle: async ({ body: how }) => {
				const { result, problems: found } = await reload(how);
				if (result !== "rejected") return ok({ result, problems: found });
				const message = found[0] ?? "the configuration was rejected";
				return { status: 422, body: { result, problems: found, error: { code: "CONFIG_REJECTED", message } } };
			},
		}),
	];
}
