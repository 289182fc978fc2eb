/**
 * The net under a process: what nobody caught. A mistake in one connection's code must not cost all others theirs, so it
 * leaves a line and the process goes on. It ends only when it cannot be trusted any more.
 */
import type { GatewayEvents } from "./gateway/events.ts";
import { tellInternalError } from "./gateway/internal-error.ts";

/** So many within so many ms are no mistake in one connection's code any more. */
const TOO_MANY = 100;
const WITHIN_MS = 10_000;

/** Errors of Node after which its own state is not known. */
const CORRUPT = new Set(["ERR_MEMORY_ALLOCATION_FAILED", "ERR_INTERNAL_ASSERTION"]);

/**
 * Catches what nobody caught: exceptions, and rejections that nobody waited for. To be called once, when `events` has its
 * sinks.
 * @param giveUp drains and ends the process; called once
 */
export function installLastResort(events: Pick<GatewayEvents, "notice">, giveUp: () => void): void {
	const recent: number[] = [];
	let givenUp = false;
	process.on("uncaughtException", (error: unknown, origin) => {
		const where = origin === "unhandledRejection" ? "a promise that nobody waited for" : "an event";
		tellInternalError(events, error, { where });
		const now = performance.now();
		recent.push(now);
		while ((recent[0] as number) < now - WITHIN_MS) recent.shift();
		const why = isCorrupt(error) ? "the process cannot be trusted after this error" : tooMany(recent.length);
		if (why === undefined || givenUp) return;
		givenUp = true;
		events.notice("error", "gateway.failing", { pid: process.pid, message: `${why}: it drains and ends` });
		giveUp();
	});
}

function isCorrupt(error: unknown): boolean {
	if (!(error instanceof Error)) return false;
	if ("code" in error && CORRUPT.has(String(error.code))) return true;
	return error instanceof RangeError && error.message.includes("allocation failed");
}

function tooMany(count: number): string | undefined {
	return count < TOO_MANY ? undefined : `${count} internal errors within ${WITHIN_MS / 1000} s`;
}
