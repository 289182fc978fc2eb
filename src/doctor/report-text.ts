/** The report for people: a line for each step as it is taken, then what is wrong and what to do. */
import type { Finding } from "./cause.ts";
import type { StepId } from "./causes/index.ts";
import type { Report, StepReport } from "./report.ts";
import { duration } from "./words.ts";

/** Gives text a colour, or not. */
export type Paint = (colour: "bold" | "dim" | "red" | "green" | "yellow" | undefined, text: string) => string;

const COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;
const NAMES: Readonly<Record<StepId, string>> = {
	url: "URL",
	dns: "DNS",
	tcp: "TCP",
	tls: "TLS",
	answer: "answer",
	handshake: "handshake",
	ping: "ping",
	hold: "hold",
	close: "close",
};

/** One step's line, and its details when they are wanted. */
export function stepText({ id, status, seen, ms, detail }: StepReport, paint: Paint, verbose: boolean): string {
	const mark = paint(COLOURS[status], status.padEnd(7));
	const time = id === "url" ? "" : paint("dim", `  (${duration(ms)})`);
	const more = verbose ? detail.map((line) => paint("dim", `${" ".repeat(21)}${line}`)) : [];
	return [`${mark}  ${NAMES[id].padEnd(10)} ${seen}${time}`, ...more].join("\n").concat("\n");
}

/** The end of the report. */
export function summaryText({ healthy, steps }: Report, paint: Paint): string {
	const findings = steps.flatMap((step) => step.findings);
	const problems = findings.filter(({ severity }) => severity === "problem");
	const warnings = findings.filter(({ severity }) => severity === "warning");
	const parts = ["\n"];
	if (problems.length > 0) parts.push(section("What is wrong", "What to do", problems, paint));
	if (warnings.length > 0) parts.push(section("Worth a look", "What to do about it", warnings, paint));
	if (healthy)
		parts.push(`${paint("green", "Healthy.")} The WebSocket opens, answers a Ping and closes as it should.\n`);
	return parts.join("");
}

function section(wrong: string, advice: string, findings: readonly Finding[], paint: Paint): string {
	const lines = findings.map((finding) => `  ${finding.wrong} ${paint("dim", `[${finding.cause}]`)}`);
	const todo = [...new Set(findings.flatMap((finding) => finding.advice))].map((line) => `  - ${line}`);
	return `${paint("bold", wrong)}\n${lines.join("\n")}\n${paint("bold", advice)}\n${todo.join("\n")}\n\n`;
}
