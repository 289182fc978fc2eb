/**
 * `sticky: socketio`: one Socket.IO (Engine.IO) session, one endpoint.
 *
 * A session's first polling request has no `sid`; its answer names one, and every later request, the upgrade to
 * WebSocket included, carries it in the query. Cookies do not work here (native clients and cross-origin pages drop
 * them) and the client's address is shared behind NAT and changes on a phone, so the sid is read from that answer.
 *
 * Workers of one gateway ask each other. A sid that is unknown (learnt by another gateway, or forgotten) falls back to a hash. The upstream's own policy is that
 * hash if it is `consistent_hash`: then a session's first request and its later ones agree without any table, which is
 * what several gateways need. With any other policy the hash of the client's address is the best guess.
 */
import { type GatewayRequest, queryValue } from "../../protocol/request.ts";
import { consistentHash } from "../balance/consistent_hash.ts";
import type { Policy } from "../balance/policy.ts";
import type { Endpoint } from "../endpoint.ts";
import type { AnswerWatch, Sticky } from "./affinity.ts";
import type { Sessions } from "./table.ts";

/** How much of an answer's body is looked at. */
export const SID_PREFIX_BYTES = 256;

const MAX_SID_LENGTH = 128;

/**
 * The open packet of Engine.IO 4 (`0{"sid":"…"`), of Engine.IO 3 (with a length before it, as text or as binary), and
 * either of them inside a JSONP call (`___eio[0]("…")`, its quotes escaped). Most servers write `sid` first, not all.
 */
const OPEN_PACKET =
	// biome-ignore lint/suspicious/noControlCharactersInRegex: Engine.IO 3 frames binary payloads with byte values
	/^(?:___eio\[\d{1,9}\]\(")?(?:\d{1,9}:|\x00[\x00-\x09]{1,9}\xff)?0\{[^}]*?\\?"sid\\?"\s*:\s*\\?"([!#-[\]-~]+)\\?"/;

/** The session's name from the first bytes of an answer to a first polling request; undefined when it is none. */
export function extractSid(bodyPrefix: Buffer): string | undefined {
	const text = bodyPrefix.toString("latin1", 0, SID_PREFIX_BYTES);
	const sid = OPEN_PACKET.exec(text)?.[1];
	return sid !== undefined && sid.length <= MAX_SID_LENGTH ? sid : undefined;
}

/** Makes `sticky: socketio` for an upstream with `policy`. */
export function createSocketIoSticky(endpoints: readonly Endpoint[], policy: Policy, table: Sessions): Sticky {
	const byId = new Map(endpoints.map((endpoint) => [endpoint.id, endpoint]));
	const fallback = policy.stable ? policy : consistentHash.create({ hash_on: ["client_ip"] });
	return {
		endpointOf: (request) => {
			const sid = sidOf(request);
			const id = sid === undefined ? undefined : table.get(sid);
			return id === undefined ? undefined : byId.get(id);
		},
		...(table.recall && {
			recall: (request: GatewayRequest) => {
				const sid = sidOf(request);
				return sid === undefined || table.get(sid) !== undefined ? undefined : table.recall?.(sid);
			},
		}),
		policyFor: (request) => (sidOf(request) === undefined ? undefined : fallback),
		watchAnswer: (request, endpoint) => {
			if (!opensSession(request)) return undefined;
			return watchForSid((sid) => table.learn(sid, endpoint.id));
		},
	};
}

function sidOf(request: GatewayRequest): string | undefined {
	// Parsing the query costs far more than this look at it.
	if (!request.query?.includes("sid=")) return undefined;
	const sid = queryValue(request, "sid");
	return sid && sid.length <= MAX_SID_LENGTH ? sid : undefined;
}

function opensSession(request: GatewayRequest): boolean {
	return (
		!request.websocket &&
		request.method === "GET" &&
		sidOf(request) === undefined &&
		queryValue(request, "transport") === "polling"
	);
}

/** Collects the first bytes of a body, however they are cut, and reports the session named there. */
function watchForSid(found: (sid: string) => void): AnswerWatch {
	let prefix: Buffer | undefined = Buffer.alloc(0);
	return (chunk) => {
		if (prefix === undefined) return;
		prefix = Buffer.concat([prefix, chunk.subarray(0, SID_PREFIX_BYTES - prefix.length)]);
		const sid = extractSid(prefix);
		if (sid !== undefined) found(sid);
		if (sid !== undefined || prefix.length >= SID_PREFIX_BYTES) prefix = undefined;
	};
}
