/** An explanation for people. */
import type { Explanation, UpstreamExplanation } from "../gateway/explain.ts";
import type { CommandIo } from "./command.ts";
import { painter } from "./style.ts";
import { printable } from "./table.ts";

const WIDTH = 11;

/** What stands around the explanation itself. */
export interface Surroundings {
	/** `public (:8443)` */
	readonly listener: string;
	readonly note?: string | undefined;
}

export function explanationText(found: Explanation, { listener, note }: Surroundings, io: CommandIo): string {
	const paint = painter(io);
	const lines: string[] = [];
	const add = (label: string, text: string): void => {
		lines.push(`${paint("bold", label.padEnd(WIDTH))}${printable(text)}`);
	};
	const under = (text: string): void => add("", text);

	add("listener", listener);
	if (note !== undefined) under(note);
	add("client", found.client_ip || "(unix socket)");
	for (const [index, { name, reason }] of found.routes.entries()) {
		const label = index === 0 ? "routes" : "";
		if (reason === undefined)
			lines.push(`${paint("bold", label.padEnd(WIDTH))}${paint("green", `${printable(name)}: matches`)}`);
		else add(label, `${name}: ${reason}`);
	}
	for (const [index, { name, outcome, refusal }] of found.checks.entries()) {
		const words = { passed: "passed", refused: "refused", not_asked: "not asked here", not_reached: "not reached" };
		const why = refusal === undefined ? "" : `: ${refusal.status} ${refusal.code}, ${refusal.message}`;
		add(index === 0 ? "checks" : "", `${name}: ${words[outcome]}${why}`);
	}
	for (const upstream of found.upstreams) {
		add("upstream", upstreamLine(upstream));
		for (const line of endpointLines(upstream, found.attempts ?? 1)) under(line);
	}
	if (found.hub) add("hub", `${found.hub.name} (${found.hub.protocol})`);
	if (found.target !== undefined) add("backend", `is asked for ${withoutQuery(found.target)}`);
	const { refusal } = found;
	const result = refusal
		? `${refusal.status} ${refusal.code}: ${refusal.message}`
		: found.hub
			? `ends in the hub ${found.hub.name}`
			: "passed on to the backend";
	lines.push(`${paint("bold", "result".padEnd(WIDTH))}${paint(refusal ? "red" : "green", printable(result))}`);
	return `${lines.join("\n")}\n`;
}

function upstreamLine({ name, share, policy, sticky, fixed }: UpstreamExplanation): string {
	const part = share === 100 ? "" : `${share}% of the connections, `;
	const how = sticky ? "bound by stickiness" : fixed ? policy : `${policy}, the order of one handshake`;
	return `${name} (${part}${how})`;
}

function endpointLines({ endpoints, discovery }: UpstreamExplanation, attempts: number): string[] {
	const lines = endpoints.map(({ id, place, reason, backup }) => {
		const tried = place === undefined ? "-" : `${place}.`;
		const late = place !== undefined && place > attempts ? `, beyond retries.attempts (${attempts})` : "";
		return `${tried.padEnd(3)} ${id}${backup ? " (backup)" : ""}${reason === undefined ? late : `: ${reason}`}`;
	});
	return discovery === undefined ? lines : [...lines, `and what discovery (${discovery}) finds`];
}

/** A query may hold a token, and terminals are watched and recorded. */
function withoutQuery(target: string): string {
	const mark = target.indexOf("?");
	return mark < 0 ? target : `${target.slice(0, mark)}?…`;
}
