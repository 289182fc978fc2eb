/** `auth.forward`: another server decides, as with nginx's auth_request, and is asked again while the connection lives. */
import { z } from "zod";
import type { DepartureSignal } from "../departure.ts";
import { GatewayError } from "../errors.ts";
import { finiteDuration } from "../options.ts";
import { applyHeaderRules, compileHeaderRules, headerRulesOptions } from "../protocol/headers.ts";
import type { Check, CheckDeps, Granted, WatchedConnection } from "./check.ts";
import { type AuthAnswer, ask, questionHeaders } from "./forward-request.ts";
import { headerNameOption } from "./header-name.ts";
import { httpUrl, withoutSecrets } from "./http-url.ts";

const positive = finiteDuration.refine((ms) => ms > 0, { error: "has to be longer than 0" });

export const forwardAuthOptions = z.strictObject({
	url: httpUrl.meta({
		description: "Asked with GET and the client's headers. 2xx lets the client in; 3xx and 4xx are its answer.",
	}),
	timeout: positive.prefault("2s").meta({ description: "For its answer." }),
	copy_headers: z.array(headerNameOption).prefault([]).meta({
		description: "Headers of a 2xx answer for the backend. A client cannot send them itself.",
	}),
	request_headers: headerRulesOptions.prefault({}).meta({ description: "Headers of the question." }),
	user_header: headerNameOption.optional().meta({
		description: "Header of a 2xx answer with the user's name, for the log and for limits per user.",
	}),
	recheck: positive.optional().meta({
		description: "Asks again during the connection, this often; a refusal closes it with 1008, a failure does not.",
	}),
	failure_mode: z.enum(["deny", "allow"]).prefault("deny").meta({
		description: "What happens when there is no answer, or a 5xx: clients get 503, or are let in unchecked.",
	}),
});

export type ForwardAuthConfig = z.output<typeof forwardAuthOptions>;

/** Questions under way for one route; beyond it the server counts as not available. */
const MAX_PENDING = 1_024;
/** Rechecks are spread by this share, so that clients who came together are not asked for together. */
const JITTER = 0.1;

/** Compiles a checked `auth.forward`. */
export function forwardAuthCheck(config: ForwardAuthConfig, { states }: CheckDeps): Check {
	const url = new URL(config.url);
	const rules = compileHeaderRules(config.request_headers);
	const userHeader = config.user_header?.toLowerCase();
	let pending = 0;
	let failing = false;

	const question = async (headers: readonly string[], signal: DepartureSignal): Promise<AuthAnswer> => {
		if (pending >= MAX_PENDING) return { kind: "unavailable", message: `${pending} questions are waiting` };
		pending++;
		try {
			const answer = await ask({ url, agents: states.agents, headers, timeout: config.timeout, signal });
			report(answer);
			return answer;
		} finally {
			pending--;
		}
	};

	/** One line when it stops answering, and one when it answers again. */
	const report = (answer: AuthAnswer): void => {
		const fails = answer.kind === "unavailable";
		if (fails === failing) return;
		failing = fails;
		const where = withoutSecrets(config.url);
		if (answer.kind !== "unavailable") states.notice("info", "forward_auth.available", { url: where });
		else {
			const { message } = answer;
			states.notice("warn", "forward_auth.unavailable", { url: where, message, failure_mode: config.failure_mode });
		}
	};

	const watch = (headers: readonly string[], every: number) => (connection: WatchedConnection) => {
		const stop = new AbortController();
		let cancel = (): void => undefined;
		const next = (): void => {
			cancel = states.after(every * (1 - JITTER + 2 * JITTER * states.random()), again);
		};
		const again = (): void => {
			question(headers, stop.signal).then(
				({ kind }) => {
					if (stop.signal.aborted) return;
					if (kind === "denied") connection.close("access was withdrawn");
					else next();
				},
				// Only the end of the connection leads here.
				() => undefined,
			);
		};
		next();
		return () => {
			stop.abort();
			cancel();
		};
	};

	return {
		name: "forward",
		reserved: config.copy_headers,
		async check(context): Promise<Granted | undefined> {
			const { signal } = context;
			const headers = applyHeaderRules(questionHeaders(context, url), rules);
			const answer = await question(headers, signal);
			if (answer.kind === "denied") {
				const message = `the authentication server answered ${answer.answer.status}`;
				throw new GatewayError("FORWARD_AUTH_DENIED", message, { answer: answer.answer });
			}
			const recheck = config.recheck === undefined ? undefined : watch(headers, config.recheck);
			if (answer.kind === "allowed") {
				const user = userHeader === undefined ? undefined : answer.headers[userHeader];
				return {
					user: typeof user === "string" && user !== "" ? user : undefined,
					headers: copied(answer.headers, config.copy_headers),
					watch: recheck,
				};
			}
			if (config.failure_mode === "allow") return { watch: recheck };
			const message = `the authentication server: ${answer.message}`;
			if (answer.invalid) {
				const hint = "the authentication server's answer was not valid HTTP; try again later";
				throw new GatewayError("BAD_BACKEND_ANSWER", message, { hint });
			}
			throw new GatewayError("FORWARD_AUTH_UNAVAILABLE", message, { retryAfter: 1 });
		},
	};
}

function copied(answer: Readonly<Record<string, string | string[] | undefined>>, names: readonly string[]): string[] {
	const headers: string[] = [];
	for (const name of names) {
		for (const value of [answer[name.toLowerCase()] ?? []].flat()) headers.push(name, value);
	}
	return headers;
}
