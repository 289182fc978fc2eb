/** Names of headers that a check writes for the backend. */
import { z } from "zod";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Written by the gateway for every request; a check cannot have them too. */
const OWN =
	/^(?:host|connection|proxy-connection|keep-alive|te|trailer|upgrade|transfer-encoding|content-length|expect|proxy-authenticate|proxy-authorization|forwarded|x-forwarded-(?:for|proto|host|port)|x-real-ip|x-request-id|x-client-(?:verified|cert-subject|cert-fingerprint)|sec-websocket-.*)$/i;

/** A header that a check may set (RFC 9110 §5.1). */
export const headerNameOption = z
	.string()
	.regex(TOKEN, { error: "a header name is made of letters, digits and hyphens" })
	.refine((name) => !OWN.test(name), { error: "this header is written by the gateway itself; choose another name" });
