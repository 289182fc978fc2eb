/** Starts a drain: tells connections to come back, spread over time. */
import { useState } from "preact/hooks";
import type { DrainOrder } from "../../api/gateway.ts";
import { CloseFields, type CloseWords } from "../../parts/close-fields.tsx";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { TextField } from "../../parts/field.tsx";
import { useAction } from "../../state/action.ts";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { plural } from "../../text/format.ts";

export interface DrainTarget {
	readonly route?: string | undefined;
	readonly upstream?: string | undefined;
	readonly endpoint?: string | undefined;
}

interface DrainDialogProps {
	readonly target: DrainTarget;
	/** How many it is about, where that is known. */
	readonly connections?: number | undefined;
	readonly onDone: () => void;
	readonly onClose: () => void;
}

export function DrainDialog({ target, connections, onDone, onClose }: DrainDialogProps) {
	const { api, notices, location } = useApp();
	const [spread, setSpread] = useState("");
	const [timeout, setTimeout] = useState("");
	const [words, setWords] = useState<CloseWords>({ code: "", reason: "" });
	const { run, busy, error } = useAction();
	const name = targetName(target);
	const start = (): void =>
		run(async () => {
			const order: DrainOrder = {
				...(target.route && { route: target.route }),
				...(target.upstream && { upstream: target.upstream }),
				...(target.endpoint && { endpoint: target.endpoint }),
				...(spread !== "" && { spread }),
				...(timeout !== "" && { timeout }),
				...(words.code !== "" && { close_code: Number(words.code) }),
				...(words.reason !== "" && { reason: words.reason }),
			};
			const drain = await api.startDrain(order);
			notices.done(`Drain of ${drain.target} has begun with ${plural(drain.total, "connection")}.`);
			onDone();
			location.go(hashOf("drains"));
		});
	return (
		<ConfirmDialog
			title={`Drain ${name}`}
			action="Start the drain"
			danger={name === "the whole gateway"}
			busy={busy}
			error={error}
			onConfirm={start}
			onClose={onClose}
		>
			<p>
				{connections === undefined ? "Its connections" : plural(connections, "open connection")} will be closed in
				random order, spread over time.{" "}
				{target.endpoint
					? "The endpoint's state becomes drain, so that nothing new arrives."
					: "New connections are still accepted."}
			</p>
			<div class="field-row">
				<TextField
					label="Spread over"
					placeholder="as configured"
					value={spread}
					onValue={setSpread}
					hint="e.g. 30s, 5m"
				/>
				<TextField
					label="Cut off after"
					placeholder="as configured"
					value={timeout}
					onValue={setTimeout}
					hint="what is still open then"
				/>
			</div>
			<CloseFields
				words={words}
				onWords={setWords}
				byDefault="as configured (1001 unless changed)"
				reasonPlaceholder="as configured"
			/>
		</ConfirmDialog>
	);
}

export function targetName({ route, upstream, endpoint }: DrainTarget): string {
	const parts = [route && `route ${route}`, upstream && `upstream ${upstream}`, endpoint && `endpoint ${endpoint}`];
	return parts.filter(Boolean).join(", ") || "the whole gateway";
}
