/** The list at the top: what is wrong now, the worst first. */
import { StatusIcon } from "../../parts/status.tsx";
import { type Attention, attention, type Facts, type Level } from "../../text/attention.ts";
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
	return (
		<section class="attention" aria-label="Needs attention">
			<Notes notes={notes.slice(0, MAX_SHOWN)} />
			{notes.length > MAX_SHOWN && (
				<details>
					<summary>{notes.length - MAX_SHOWN} more</summary>
					<Notes notes={notes.slice(MAX_SHOWN)} />
				</details>
			)}
		</section>
	);
}

function Notes({ notes }: { notes: readonly Attention[] }) {
	return (
		<ul class="attention-list">
			{notes.map(({ level, text, href }) => (
				<li key={`${href} ${text}`} class={`note-${level}`}>
					<StatusIcon tone={TONES[level]} />
					<span>
						<span class="visually-hidden">{NAMES[level]}: </span>
						<a href={href}>{text}</a>
					</span>
				</li>
			))}
		</ul>
	);
}
