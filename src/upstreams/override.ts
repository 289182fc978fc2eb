/**
 * What an operator changes about an endpoint while the gateway runs (admin API, `clawgate endpoints`). It lives in the
 * endpoint's state, so it survives reloads, until the file itself says something else about that value.
 */
import type { EndpointState } from "./endpoint.ts";

export type EndpointMode = "ready" | "drain" | "maint";

/** What the configuration (or discovery) says about an endpoint. */
export interface WrittenEndpoint {
	readonly mode: EndpointMode;
	readonly weight: number;
}

/** A changed value, and what the file said when it was changed. */
interface Changed<T> {
	readonly value: T;
	readonly written: T;
}

export interface EndpointOverride {
	readonly mode?: Changed<EndpointMode> | undefined;
	readonly weight?: Changed<number> | undefined;
}

/** What {@link override} takes: absent = as it is, null = back to what the file says. */
export interface OverrideRequest {
	readonly mode?: EndpointMode | null | undefined;
	readonly weight?: number | null | undefined;
}

/** The mode that counts now. */
export function currentMode({ override: changed }: EndpointState, written: EndpointMode): EndpointMode {
	return changed?.mode?.written === written ? changed.mode.value : written;
}

/** The weight that counts now, before slow start. */
export function currentWeight({ override: changed }: EndpointState, written: number): number {
	return changed?.weight?.written === written ? changed.weight.value : written;
}

/** Changes an endpoint from now on. A value that equals the file's is none: the file's next change counts at once. */
export function override(state: EndpointState, written: WrittenEndpoint, request: OverrideRequest): void {
	const mode = changed(request.mode, state.override?.mode, written.mode);
	const weight = changed(request.weight, state.override?.weight, written.weight);
	state.override = mode === undefined && weight === undefined ? undefined : { mode, weight };
}

/** Forgets what the file overruled, so that it does not come back when the file is changed back. */
export function forgetOverruled(state: EndpointState, written: WrittenEndpoint): void {
	if (state.override !== undefined) override(state, written, {});
}

function changed<T>(value: T | null | undefined, before: Changed<T> | undefined, written: T): Changed<T> | undefined {
	if (value === undefined) return before?.written === written ? before : undefined;
	return value === null || value === written ? undefined : { value, written };
}
