/** What a kind of stickiness does for an upstream. */
import type { GatewayRequest } from "../../protocol/request.ts";
import type { Policy } from "../balance/policy.ts";
import type { Endpoint } from "../endpoint.ts";

export interface Sticky {
	/** The endpoint that the client is bound to, whether or not it can be used now. */
	endpointOf(request: GatewayRequest): Endpoint | undefined;
	/** Finds out first what {@link endpointOf} needs to know; undefined when it knows, or nobody else does. */
	recall?(request: GatewayRequest): Promise<void> | undefined;
	/** The policy for this request where it is not the upstream's own. */
	policyFor?(request: GatewayRequest): Policy | undefined;
	/** The Set-Cookie value that binds the client to `endpoint`; undefined when it already is. */
	setCookie?(endpoint: Endpoint, request: GatewayRequest): string | undefined;
	/** Takes the chunks of the answer's body where a session's name has to be read from it. */
	watchAnswer?(request: GatewayRequest, endpoint: Endpoint): AnswerWatch | undefined;
}

/** Is given the chunks of an answer's body as they pass; never keeps or changes one. */
export type AnswerWatch = (chunk: Uint8Array) => void;
