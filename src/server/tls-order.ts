/** Which ciphers a listener offers, and in what order: the client's order matters only where it knows better. */
import { constants } from "node:crypto";
import { DEFAULT_CIPHERS, type SecureContextOptions } from "node:tls";

/**
 * ECDSA before RSA, because signing with it costs a fraction; AES-128 before AES-256, which is no weaker against
 * anything known and slower.
 */
const PREFERRED = [
	"TLS_AES_128_GCM_SHA256",
	"TLS_CHACHA20_POLY1305_SHA256",
	"TLS_AES_256_GCM_SHA384",
	"ECDHE-ECDSA-AES128-GCM-SHA256",
	"ECDHE-ECDSA-CHACHA20-POLY1305",
	"ECDHE-ECDSA-AES256-GCM-SHA384",
	"ECDHE-RSA-AES128-GCM-SHA256",
	"ECDHE-RSA-CHACHA20-POLY1305",
	"ECDHE-RSA-AES256-GCM-SHA384",
];

/**
 * The listener's order, then whatever else Node allows. A list of the operator's own (`--tls-cipher-list`) is left as
 * it is. Curves are OpenSSL's own: X25519 first, together with ML-KEM where it has that.
 */
export function tlsOrder(): SecureContextOptions {
	const own = DEFAULT_CIPHERS !== constants.defaultCoreCipherList;
	const others = DEFAULT_CIPHERS.split(":").filter((name) => !PREFERRED.includes(name));
	return {
		ciphers: own ? DEFAULT_CIPHERS : [...PREFERRED, ...others].join(":"),
		honorCipherOrder: true,
		// A client that puts ChaCha20 first has no AES in hardware: a telephone, say.
		secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA,
	};
}
