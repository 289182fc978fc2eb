/** The examination: step after step, until one shows a problem that the next cannot get past. */
import type { Socket } from "node:net";
import { type Causes, type Finding, judge } from "./cause.ts";
import { CAUSES, type StepId } from "./causes/index.ts";
import { OpenWebSocket } from "./connection.ts";
import type { Examination, Surroundings } from "./examination.ts";
import { redactor, secretsOf } from "./redact.ts";
import type { Report, StepReport } from "./report.ts";
import { requestHead } from "./request-head.ts";
import { type AnswerFacts, answerFacts, ask, describeAnswer, shownHead, type Trials } from "./steps/answer.ts";
import { closePolitely, describeClose } from "./steps/close.ts";
import { describeDns, findAddresses } from "./steps/dns.ts";
import { describeHandshake, handshakeFacts } from "./steps/handshake.ts";
import { describeHold, hold } from "./steps/hold.ts";
import { describePing, pingOnce } from "./steps/ping.ts";
import { connectAll, describeTcp } from "./steps/tcp.ts";
import { describeTls, secure } from "./steps/tls.ts";
import { speaksPlainHttp, speaksTls, statusWithOrigin, type Trial } from "./steps/trials.ts";
import { type Destination, describeUrl, readUrl } from "./steps/url.ts";
import { headerValues, printable } from "./words.ts";

/** What is told while it goes on. */
export interface Listener {
	onStep(step: StepReport): void;
	/** About every second while the connection is kept, with the milliseconds so far. */
	onHold(held: number): void;
}

/** How long (ms) a server gets after its Pong to close what it has accepted. */
const SETTLE = 300;

/** Refusals for which another Origin is tried. */
const MAYBE_ORIGIN = [400, 401, 403, 404];

/** Takes the steps and reports. Resolves always: every step has an end of its own, and nothing is left open. */
export async function examine(
	examination: Examination,
	surroundings: Surroundings,
	listener: Listener,
): Promise<Report> {
	const steps = new Steps(examination, surroundings, listener);
	const opened: Socket[] = [];
	try {
		await takeSteps(examination, surroundings, steps, opened, listener);
	} finally {
		for (const socket of opened) socket.destroy();
	}
	return steps.report();
}

async function takeSteps(
	examination: Examination,
	surroundings: Surroundings,
	steps: Steps,
	opened: Socket[],
	listener: Listener,
): Promise<void> {
	const { timeout } = examination;
	const now = surroundings.now;

	const url = readUrl(examination.url, examination.origin);
	const { destination } = url;
	steps.take("url", CAUSES.url, url, describeUrl(url));
	if (!destination) return;
	steps.shown = destination.shown;

	const dns = await findAddresses(destination.host, { ...examination, lookup: surroundings.lookup });
	if (!steps.take("dns", CAUSES.dns, dns, describeDns(dns), [], dns.ms)) return;

	const tcp = await connectAll(dns.addresses, destination.port, timeout, now);
	if (tcp.socket) opened.push(tcp.socket);
	steps.take("tcp", CAUSES.tcp, tcp.facts, describeTcp(tcp.facts));
	if (!tcp.socket || tcp.address === undefined) return;
	const trial: Trial = { address: tcp.address, destination, examination, surroundings };

	const ready = destination.secure ? await secureStep(tcp.socket, trial, steps) : tcp.socket;
	if (!ready) return;

	const key = surroundings.randomBytes(16).toString("base64");
	const request = requestHead(destination, examination, key);
	const reply = await ask(ready, request.head, timeout, now);
	const asked = { destination, timeout, ...whatWasSent(examination, destination) };
	const first = answerFacts(reply, asked);
	const facts = answerFacts(reply, asked, await tryOthers(first, trial));
	const detail = [...request.shown.map((line) => `> ${line}`), ...shownHead(reply.bytes).map((line) => `< ${line}`)];
	steps.take("answer", CAUSES.answer, facts, describeAnswer(facts), detail, reply.ms);
	if (reply.answer?.status !== 101) return;

	const extensions = given(examination, "sec-websocket-extensions");
	const offer = { key, offered: examination.subprotocols, extensions };
	const handshake = handshakeFacts(reply.answer, offer);
	if (!steps.take("handshake", CAUSES.handshake, handshake, describeHandshake(handshake))) return;

	const { server } = facts;
	const { randomBytes } = surroundings;
	const agreed = handshake.extensions.length > 0;
	const connection = new OpenWebSocket(ready, reply.answer.rest, { extensions: agreed, now, randomBytes });
	try {
		const settle = examination.hold === undefined ? SETTLE : 0;
		const ping = await pingOnce(connection, { timeout, server, settle, now });
		if (!steps.take("ping", CAUSES.ping, ping, describePing(ping))) return;

		if (examination.hold !== undefined) {
			const { hold: wanted, pingEvery } = examination;
			const onTick = (held: number): void => listener.onHold(held);
			const held = await hold(connection, { wanted, pingEvery, timeout, server, now, onTick });
			if (!steps.take("hold", CAUSES.hold, held, describeHold(held))) return;
		}

		const closed = await closePolitely(connection, { timeout, now });
		steps.take("close", CAUSES.close, closed, describeClose(closed));
	} finally {
		await connection.finish();
	}
}

/** TLS; the socket is there when the examination may go on. */
async function secureStep(tcp: Socket, trial: Trial, steps: Steps): Promise<Socket | undefined> {
	const { destination, examination, surroundings } = trial;
	const { facts: seen, socket } = await secure(tcp, destination.host, examination, surroundings.epoch());
	const untold = seen.end === "timeout" || seen.end === "closed";
	const facts = untold ? { ...seen, plainHttp: await speaksPlainHttp(trial) } : seen;
	// What was asked to be ignored stays a remark. Secrets are sent only to a server that is who it says.
	const soften = examination.insecure && socket !== undefined;
	const good = steps.take("tls", CAUSES.tls, facts, describeTls(facts), [], undefined, soften);
	if (!good) socket?.destroy();
	return good ? socket : undefined;
}

/** Asks again in other ways when the answer alone does not tell the cause. */
async function tryOthers(facts: AnswerFacts, trial: Trial): Promise<Trials> {
	const { destination, end, bytes, status, originSent } = facts;
	if (!destination.secure && end !== "answer" && bytes.length === 0) return { tls: await speaksTls(trial) };
	if (!MAYBE_ORIGIN.includes(status)) return {};
	const withoutOrigin = originSent ? await statusWithOrigin(trial, undefined) : undefined;
	if (withoutOrigin === 101) return { withoutOrigin };
	const own = `${destination.secure ? "https" : "http"}://${destination.authority}`;
	return { withoutOrigin, sameOrigin: await statusWithOrigin(trial, own) };
}

/** What the handshake carried that a refusal can be about. */
function whatWasSent(examination: Examination, { credentials, target }: Destination) {
	const originSent = examination.origin !== undefined;
	const names = examination.headers.map(([name]) => name);
	const credentialsSent =
		credentials !== undefined ||
		names.some((name) => /^(?:authorization|cookie)$|token|key|auth|session/i.test(name)) ||
		/[?&][^=&]*(?:token|key|auth|session|ticket|jwt)[^=&]*=/i.test(target);
	return { originSent, credentialsSent };
}

function given({ headers }: Examination, name: string): string {
	return headerValues(headers.flat(), name).join(", ");
}

/** Judges the steps and keeps what they say, without the operator's secrets. */
class Steps {
	/** Where it is, for the report. */
	shown: string;
	readonly #steps: StepReport[] = [];
	readonly #redact: (text: string) => string;
	readonly #listener: Listener;
	readonly #now: () => number;
	#since: number;

	constructor(examination: Examination, { now }: Surroundings, listener: Listener) {
		this.#redact = redactor(secretsOf(examination));
		this.shown = printable(examination.url.replace(/\?.*/, "?…").replace(/\/\/[^/@]*@/, "//***@"));
		this.#listener = listener;
		this.#now = now;
		this.#since = now();
	}

	/** Adds a step; returns whether it is without a problem. With `soften` problems are but warnings. */
	take<F>(
		id: StepId,
		causes: Causes<F>,
		facts: F,
		seen: string,
		detail: readonly string[] = [],
		ms = this.#now() - this.#since,
		soften = false,
	): boolean {
		const findings = judge(causes, facts).map((finding) => this.#clean(finding, soften));
		const severities = findings.map(({ severity }) => severity);
		const status = severities.includes("problem") ? "problem" : (severities[0] ?? "ok");
		const step: StepReport = {
			id,
			status,
			seen: this.#redact(seen),
			ms,
			findings,
			detail: detail.map(this.#redact),
		};
		this.#steps.push(step);
		this.#since = this.#now();
		this.#listener.onStep(step);
		return status !== "problem";
	}

	report(): Report {
		const healthy = this.#steps.every(({ status }) => status !== "problem");
		return { url: this.#redact(this.shown), healthy, steps: this.#steps };
	}

	#clean({ cause, severity, wrong, advice }: Finding, soften: boolean): Finding {
		return { cause, severity: soften ? "warning" : severity, wrong, advice: advice.map(this.#redact) };
	}
}
