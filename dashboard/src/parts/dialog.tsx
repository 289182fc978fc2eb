/** A modal dialog: the browser keeps the focus inside, and gives it back at the end. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";

export interface DialogProps {
	readonly title: string;
	readonly onClose: () => void;
	/** At the right edge instead of the middle. */
	readonly drawer?: boolean;
	readonly children: ComponentChildren;
}

export function Dialog({ title, onClose, drawer = false, children }: DialogProps) {
	const dialog = useRef<HTMLDialogElement>(null);
	const titleId = useId();
	useLayoutEffect(() => {
		const element = dialog.current;
		element?.showModal();
		// Closed before it leaves the page, or the browser would not give the focus back.
		return () => element?.close();
	}, []);
	return (
		<dialog
			ref={dialog}
			class={drawer ? "dialog drawer" : "dialog"}
			aria-labelledby={titleId}
			onCancel={(event) => {
				event.preventDefault();
				onClose();
			}}
			onMouseDown={(event) => {
				// The backdrop is the dialog itself; what is inside covers all of it.
				if (event.target === event.currentTarget) onClose();
			}}
		>
			<div class="dialog-body">
				<header class="dialog-head">
					<h2 id={titleId}>{title}</h2>
					<button type="button" class="quiet" onClick={onClose} aria-label="Close this window">
						✕
					</button>
				</header>
				{children}
			</div>
		</dialog>
	);
}

export interface ConfirmProps {
	readonly title: string;
	/** What the button says: the action, not "OK". */
	readonly action: string;
	readonly danger?: boolean;
	readonly busy?: boolean;
	readonly error?: string | undefined;
	readonly onConfirm: () => void;
	readonly onClose: () => void;
	readonly children: ComponentChildren;
}

/** A dialog with a form that does something when it is sent. */
export function ConfirmDialog(props: ConfirmProps) {
	const { title, action, danger = false, busy = false, error, onConfirm, onClose, children } = props;
	const alert = useRef<HTMLParagraphElement>(null);
	useEffect(() => {
		if (error !== undefined) alert.current?.scrollIntoView({ block: "nearest" });
	}, [error]);
	return (
		<Dialog title={title} onClose={onClose}>
			<form
				onSubmit={(event) => {
					event.preventDefault();
					if (!busy) onConfirm();
				}}
			>
				{children}
				<p class="form-error" role="alert" ref={alert}>
					{error}
				</p>
				<footer class="dialog-foot">
					<button type="button" onClick={onClose}>
						Cancel
					</button>
					<button type="submit" class={danger ? "danger" : "primary"} disabled={busy}>
						{busy ? "Working…" : action}
					</button>
				</footer>
			</form>
		</Dialog>
	);
}
