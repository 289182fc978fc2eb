/** How an operation of the admin API is done on several workers. */
import type { Answer, Call, Run } from "../../admin/api/operation.ts";

/**
 * @param own the operation on what the supervisor itself has: the configuration, health, overrides, no connections
 * @param operation its name for the workers
 * @throws ApiError
 */
export type Rule = (call: Call<unknown, unknown>, own: Run, operation: string) => Promise<Answer>;
