/** The steps in the order in which they are taken, each with the table of its causes. */
import type { Cause, Causes } from "../cause.ts";
import type { AnswerFacts } from "../steps/answer.ts";
import { CLIENT_ERROR_CAUSES } from "./client-errors.ts";
import { CLOSE_CAUSES } from "./close.ts";
import { DNS_CAUSES } from "./dns.ts";
import { HANDSHAKE_CAUSES } from "./handshake.ts";
import { HOLD_CAUSES } from "./hold.ts";
import { NO_ANSWER_CAUSES } from "./no-answer.ts";
import { PING_CAUSES } from "./ping.ts";
import { SERVER_ERROR_CAUSES } from "./server-errors.ts";
import { SUCCESS_CAUSES } from "./success.ts";
import { TCP_CAUSES } from "./tcp.ts";
import { TLS_CAUSES } from "./tls.ts";
import { URL_CAUSES } from "./url.ts";

/** One question: of all these, the first that matches. */
const ANSWER_CAUSES: Causes<AnswerFacts> = {
	groups: [[...NO_ANSWER_CAUSES, ...SUCCESS_CAUSES, ...CLIENT_ERROR_CAUSES, ...SERVER_ERROR_CAUSES]],
};

export const CAUSES = {
	url: URL_CAUSES,
	dns: DNS_CAUSES,
	tcp: TCP_CAUSES,
	tls: TLS_CAUSES,
	answer: ANSWER_CAUSES,
	handshake: HANDSHAKE_CAUSES,
	ping: PING_CAUSES,
	hold: HOLD_CAUSES,
	close: CLOSE_CAUSES,
} as const;

export type StepId = keyof typeof CAUSES;

/** What is told about a cause without facts. */
export type CauseText = Pick<Cause<never>, "id" | "severity" | "sign" | "wrong" | "advice">;

/** Every cause of a step, in the order of the table. */
export function causesOf(step: StepId): readonly CauseText[] {
	const { groups, otherwise }: { groups: readonly (readonly CauseText[])[]; otherwise?: CauseText } = CAUSES[step];
	return [...groups.flat(), ...(otherwise === undefined ? [] : [otherwise])];
}
