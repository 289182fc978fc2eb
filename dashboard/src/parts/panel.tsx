/** Sections of a view. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface PanelProps {
	readonly title: ComponentChildren;
	/** At the right of the title. */
	readonly actions?: ComponentChildren;
	readonly class?: string;
	readonly id?: string;
	readonly children: ComponentChildren;
}

export function Panel({ title, actions, class: classes = "", id, children }: PanelProps) {
	const titleId = useId();
	return (
		<section class={`panel ${classes}`} aria-labelledby={titleId} id={id}>
			<header class="panel-head">
				<h2 id={titleId}>{title}</h2>
				{actions !== undefined && <div class="panel-actions">{actions}</div>}
			</header>
			{children}
		</section>
	);
}

/** A table that scrolls by itself where the page is too narrow; the keyboard can scroll it too. */
export function TableFrame({ label, children }: { label: string; children: ComponentChildren }) {
	return (
		// biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable without a mouse
		<section class="table-frame" aria-label={label} tabIndex={0}>
			{children}
		</section>
	);
}

export function Empty({ children }: { children: ComponentChildren }) {
	return <p class="empty">{children}</p>;
}

/** What could not be asked, where its answer would stand. */
export function LoadError({ error }: { error: Error | undefined }) {
	if (error === undefined) return null;
	return (
		<p class="load-error" role="alert">
			{error.message}
		</p>
	);
}
