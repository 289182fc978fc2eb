/** The list at the top: what is wrong now, the worst first. */
import { StatusIcon } from "../../parts/status.tsx";
import { attention, type Facts, type Level } from "../../text/attention.ts";
import type { Tone } from "../../text/tone.ts";

const TONES: Readonly<Record<Level, Tone>> = { bad: "bad", warn: "warn", info: "busy" };
const NAMES: Readonly<Record<Level, string>> = { bad: "Problem", warn: "Warning", info: "Note" };
/** More would push everything else out of sight. */
const MAX_SHOWN = 6;

export function AttentionList({ facts }: { facts: Facts }) {
	const notes = attention(facts);
	if (notes.length === 0) {
		return (
			<p class="attention all-good">
				<StatusIcon tone="good" /> Nothing needs attention.
			</p>
		);
	}
	const more = notes.length - MAX_SHOWN;
	return (
		<section class="attention" aria-label="Needs attention">
			<ul class="attention-list">
				{notes.slice(0, MAX_SHOWN).map(({ level, text, href }) => (
					<li key={`${href} ${text}`} class={`note-${level}`}>
						<StatusIcon tone={TONES[level]} />
						<span>
							<span class="visually-hidden">{NAMES[level]}: </span>
							<a href={href}>{text}</a>
						</span>
					</li>
				))}
				{more > 0 && (
					<li>
						<a href="#/routes">{more} more…</a>
					</li>
				)}
			</ul>
		</section>
	);
}
