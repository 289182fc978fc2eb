/** Closes connections: those that were selected, or all that fit the filter. */
import { useState } from "preact/hooks";
import type { ConnectionFilter } from "../../api/gateway.ts";
import type { Connection } from "../../api/model.ts";
import { CloseFields, type CloseWords } from "../../parts/close-fields.tsx";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { useAction } from "../../state/action.ts";
import { useApp } from "../../state/app.ts";
import { formatCount, plural } from "../../text/format.ts";

export type CloseTarget =
	| { readonly kind: "listed"; readonly connections: readonly Connection[] }
	| { readonly kind: "fitting"; readonly filter: ConnectionFilter; readonly count: number };

interface CloseDialogProps {
	readonly target: CloseTarget;
	/** What the filter says, in words. */
	readonly fitting: string;
	readonly onDone: () => void;
	readonly onClose: () => void;
}

/** So many clients that come back at once are noticed. */
const MANY = 100;

export function CloseDialog({ target, fitting, onDone, onClose }: CloseDialogProps) {
	const { api, notices } = useApp();
	const [words, setWords] = useState<CloseWords>({ code: "1008", reason: "" });
	const { run, busy, error } = useAction();
	const count = target.kind === "listed" ? target.connections.length : target.count;
	const what = plural(count, "connection");
	const close = (): void =>
		run(async () => {
			const order = { close_code: Number(words.code), ...(words.reason !== "" && { reason: words.reason }) };
			const { closed, already_closing } =
				target.kind === "listed"
					? await api.closeListed(
							target.connections.map(({ connection_id }) => connection_id),
							order,
						)
					: await api.closeFitting(target.filter, order);
			const rest = already_closing > 0 ? `; ${formatCount(already_closing)} were closing already` : "";
			notices.done(`${plural(closed, "connection")} closed with ${order.close_code}${rest}.`);
			onDone();
		});
	return (
		<ConfirmDialog
			title={`Close ${what}?`}
			action={`Close ${what}`}
			danger
			busy={busy}
			error={error}
			onConfirm={close}
			onClose={onClose}
		>
			<p>
				{target.kind === "fitting" ? (
					<>
						All that fit now: <b>{fitting}</b>.
					</>
				) : (
					<Clients connections={target.connections} />
				)}{" "}
				Each gets a Close frame at its next frame boundary; what its client does then depends on the code.
			</p>
			{count >= MANY && (
				<p class="hint">
					They are all closed at once, and may all come back at once. A drain (view Drains) spreads it over time.
				</p>
			)}
			<CloseFields words={words} onWords={setWords} />
		</ConfirmDialog>
	);
}

function Clients({ connections }: { connections: readonly Connection[] }) {
	const addresses = [...new Set(connections.map(({ client_ip }) => client_ip))];
	const more = addresses.length - 3;
	return (
		<>
			Of {addresses.length === 1 ? "client" : "clients"} <b>{addresses.slice(0, 3).join(", ")}</b>
			{more > 0 && ` and ${formatCount(more)} more`}.
		</>
	);
}
