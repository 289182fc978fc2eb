/** A request as the listener would build it, from the few facts that a test is about. */
import type { GatewayRequest } from "../../../src/protocol/request.ts";
import { parseTarget, splitHost } from "../../../src/protocol/target.ts";

export interface RequestFacts {
	target?: string;
	authority?: string;
	/** name, value, name, value … */
	rawHeaders?: string[];
	subprotocols?: string[];
	clientIp?: string;
}

export function requestFor(facts: RequestFacts = {}): GatewayRequest {
	const target = parseTarget(facts.target ?? "/");
	if (!target) throw new Error(`${facts.target} is not a target`);
	const authority = facts.authority ?? "chat.example.com";
	const rawHeaders = facts.rawHeaders ?? [];
	const headers: Record<string, string> = {};
	for (let i = 0; i < rawHeaders.length; i += 2) {
		const name = (rawHeaders[i] as string).toLowerCase();
		headers[name] =
			headers[name] === undefined ? (rawHeaders[i + 1] as string) : `${headers[name]}, ${rawHeaders[i + 1]}`;
	}
	return {
		method: "GET",
		httpVersion: "1.1",
		...target,
		rawHeaders,
		headers,
		authority,
		host: splitHost(authority)?.host ?? "",
		subprotocols: facts.subprotocols ?? [],
		clientIp: facts.clientIp ?? "203.0.113.7",
		peerIp: "203.0.113.7",
		secure: false,
		port: 80,
		trustedPeer: false,
		listener: "public",
		websocket: true,
	};
}
