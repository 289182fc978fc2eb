/** A state as shape, colour and word: never by colour alone. */
import type { ComponentChildren } from "preact";
import type { Tone } from "../text/tone.ts";

const SHAPES: Readonly<Record<Tone, ComponentChildren>> = {
	// A circle with a check, a triangle, an octagon with a cross, a square with two bars, a half circle, a ring.
	good: (
		<>
			<circle cx="8" cy="8" r="7" fill="currentColor" />
			<path d="M4.8 8.3l2.2 2.2 4.2-4.6" class="status-mark" />
		</>
	),
	warn: (
		<>
			<path d="M8 1.2l7.3 13H.7z" fill="currentColor" />
			<path d="M8 6v4M8 11.7v.6" class="status-mark" />
		</>
	),
	bad: (
		<>
			<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />
			<path d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2" class="status-mark" />
		</>
	),
	off: (
		<>
			<rect x="1" y="1" width="14" height="14" rx="3" fill="currentColor" />
			<path d="M6 5v6M10 5v6" class="status-mark" />
		</>
	),
	none: <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.6" />,
	busy: (
		<>
			<circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.6" />
			<path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" fill="currentColor" />
		</>
	),
};

export function StatusIcon({ tone }: { tone: Tone }) {
	return (
		<svg class={`status-icon tone-${tone}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
			{SHAPES[tone]}
		</svg>
	);
}

export function Status({
	tone,
	title,
	children,
}: {
	tone: Tone;
	title?: string | undefined;
	children: ComponentChildren;
}) {
	return (
		<span class="status" title={title}>
			<StatusIcon tone={tone} />
			<span>{children}</span>
		</span>
	);
}
