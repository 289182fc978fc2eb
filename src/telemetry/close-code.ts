/** Close codes as label values: a peer chooses the code, so only registered ones keep their number. */

// RFC 6455 §7.4.1 and the IANA registry "WebSocket Close Code Number"; 1004 is reserved without a meaning.
const REGISTERED: ReadonlySet<number> = new Set([
	1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 3000, 3003, 3008,
]);

/** The label value for a close code: its number when registered, else `other_3xxx`, `other_4xxx` or `other`. */
export function closeCodeLabel(code: number): string {
	if (REGISTERED.has(code)) return String(code);
	if (code >= 3000 && code <= 3999) return "other_3xxx";
	if (code >= 4000 && code <= 4999) return "other_4xxx";
	return "other";
}
