/** Masking keys for the frames that the gateway itself sends to backends (RFC 6455 §5.3). */
import { randomFillSync } from "node:crypto";

const KEY_BYTES = 4;
/** One call into the system's generator costs as much as filling all of these. */
const keys = Buffer.allocUnsafeSlow(1024 * KEY_BYTES);
let used = keys.length;

/** Four unpredictable bytes, never given twice. */
export function maskingKey(): Buffer {
	if (used === keys.length) {
		randomFillSync(keys);
		used = 0;
	}
	const key = Buffer.from(keys.subarray(used, used + KEY_BYTES));
	used += KEY_BYTES;
	return key;
}
