/** The list of causes for people, in Markdown: written from the table. */
import { CAUSES, causesOf, type StepId } from "./causes/index.ts";

/** What each step does, for headings. */
export const STEP_TITLES: Readonly<Record<StepId, string>> = {
	url: "the URL",
	dns: "the host's addresses",
	tcp: "a TCP connection to each address",
	tls: "TLS and the certificate (wss only)",
	answer: "the opening handshake and its answer",
	handshake: "whether the 101 accepts it",
	ping: "a Ping and its Pong",
	hold: "the connection is kept (with --hold)",
	close: "the closing handshake",
};

/** One section for each step, one entry for each cause. Causes that an earlier step has too are not repeated. */
export function causesReference(): string {
	const told = new Set<string>();
	const sections = (Object.keys(CAUSES) as StepId[]).map((step, index) => {
		const causes = causesOf(step).filter(({ id }) => !told.has(id));
		for (const { id } of causes) told.add(id);
		const entries = causes.map(
			({ id, severity, sign, wrong, advice }) =>
				`**\`${id}\`** (${severity}): ${wrong}  \n*Seen:* ${sign}.\n\n${advice.map((line) => `- ${line}`).join("\n")}\n`,
		);
		return `### ${index + 1}. \`${step}\`: ${STEP_TITLES[step]}\n\n${entries.join("\n")}`;
	});
	return `${sections.join("\n")}`;
}
