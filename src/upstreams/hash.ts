/** Hashes for balancing. None of them keeps a secret: see sticky/cookie.ts for the one that does. */

/** FNV-1a, 32 bit, over the UTF-16 code units of a text (one byte for those below 256, two for the others). */
export function fnv1a(text: string): number {
	let hash = 0x811c9dc5;
	for (let i = 0; i < text.length; i++) {
		const unit = text.charCodeAt(i);
		hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
		if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
	}
	return hash >>> 0;
}

/** MurmurHash3's 32-bit finaliser: every bit of the input changes about half of the bits of the result. */
export function fmix32(value: number): number {
	let hash = value;
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}

/** The 32-bit hash of a balancing key or of an endpoint's id; the same in every process and release. */
export function hash32(text: string): number {
	return fmix32(fnv1a(text));
}

/**
 * Weighted rendezvous hashing's score of an endpoint for a key: −w / ln(u), where u in (0, 1) comes from both hashes.
 * The endpoint with the highest score takes the key; each wins a share of keys in proportion to its weight. Positive.
 */
export function rendezvousScore(keyHash: number, endpointHash: number, weight: number): number {
	return -weight / Math.log((fmix32(keyHash ^ endpointHash) + 0.5) / 0x1_0000_0000);
}
