/** What actions did, at the edge of the page; read out once. */
import { useApp } from "../state/app.ts";
import { StatusIcon } from "./status.tsx";

export function Toasts() {
	const { notices } = useApp();
	return (
		<div class="toasts" role="status" aria-live="polite">
			{notices.list.value.map(({ id, kind, text }) => (
				<div class={`toast toast-${kind}`} key={id}>
					<StatusIcon tone={kind === "done" ? "good" : "bad"} />
					<span>{text}</span>
					<button type="button" class="quiet" onClick={() => notices.dismiss(id)} aria-label="Dismiss this message">
						✕
					</button>
				</div>
			))}
		</div>
	);
}
