/** The header `traceparent` (W3C Trace Context, level 2). */

export interface TraceParent {
	/** 32 hex digits. */
	readonly traceId: string;
	/** 16 hex digits. */
	readonly parentId: string;
	/** Eight bits; the lowest one is `sampled`. */
	readonly flags: number;
}

/** §3.2: version, trace id, parent id, flags; a later version may have more behind a hyphen. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a header; undefined when it is absent, repeated or not valid, which then counts as absent (§4.3). */
export function parseTraceparent(header: string | string[] | undefined): TraceParent | undefined {
	const match = typeof header === "string" ? TRACEPARENT.exec(header) : null;
	if (!match) return undefined;
	const [, version, traceId, parentId, flags, more] = match as unknown as [
		string,
		string,
		string,
		string,
		string,
		string?,
	];
	if (version === "ff" || (version === "00" && more !== undefined)) return undefined;
	if (isZero(traceId) || isZero(parentId)) return undefined;
	return { traceId, parentId, flags: Number.parseInt(flags, 16) };
}

/** Writes a header of version 00. */
export function formatTraceparent({ traceId, parentId, flags }: TraceParent): string {
	return `00-${traceId}-${parentId}-${(flags & 0xff).toString(16).padStart(2, "0")}`;
}

function isZero(id: string): boolean {
	return /^0+$/.test(id);
}
