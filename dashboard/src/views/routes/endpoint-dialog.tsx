/** Changes an endpoint while the gateway runs: its state and its weight. */
import { useState } from "preact/hooks";
import type { Endpoint, EndpointMode } from "../../api/model.ts";
import { ConfirmDialog } from "../../parts/dialog.tsx";
import { TextField } from "../../parts/field.tsx";
import { useAction } from "../../state/action.ts";
import { useApp } from "../../state/app.ts";

const STATES: readonly { readonly state: EndpointMode; readonly text: string }[] = [
	{ state: "ready", text: "takes clients" },
	{ state: "drain", text: "only clients that are bound to it (sticky) still come; open connections stay" },
	{ state: "maint", text: "nobody comes any more; open connections stay" },
];

interface EndpointDialogProps {
	readonly upstream: string;
	readonly endpoint: Endpoint;
	readonly onDone: () => void;
	readonly onClose: () => void;
}

export function EndpointDialog({ upstream, endpoint, onDone, onClose }: EndpointDialogProps) {
	const { api, notices } = useApp();
	const { id, configured } = endpoint;
	const [state, setState] = useState(endpoint.state);
	const [weight, setWeight] = useState(String(endpoint.weight));
	const { run, busy, error } = useAction();
	const overridden = endpoint.state !== configured.state || endpoint.weight !== configured.weight;

	const apply = (change: { state?: EndpointMode | null; weight?: number | null }): void =>
		run(async () => {
			const now = await api.changeEndpoint(upstream, id, change);
			notices.done(`${id} is ${now.state} with weight ${now.weight}.`);
			onDone();
		});

	return (
		<ConfirmDialog
			title={`Change ${id}`}
			action="Change"
			busy={busy}
			error={error}
			onClose={onClose}
			onConfirm={() =>
				apply({
					...(state !== endpoint.state && { state }),
					...((state === endpoint.state || weight !== String(endpoint.weight)) && { weight: Number(weight) }),
				})
			}
		>
			<fieldset>
				<legend>State</legend>
				{STATES.map((each) => (
					<label class="choice" key={each.state}>
						<input
							type="radio"
							name="state"
							value={each.state}
							checked={state === each.state}
							onChange={() => setState(each.state)}
						/>
						<span>
							<b>{each.state}</b> <span class="secondary">{each.text}</span>
						</span>
					</label>
				))}
			</fieldset>
			<TextField
				label="Weight"
				type="number"
				min={0}
				max={1000}
				required
				value={weight}
				onValue={setWeight}
				hint="Share of new clients compared with the other endpoints; 0 = only those that are bound to it."
			/>
			<p class="hint">
				Counts at once, and outlives reloads until the file itself says something else. The file says {configured.state}
				, weight {configured.weight}.
				{overridden && (
					<>
						{" "}
						<button type="button" class="link" disabled={busy} onClick={() => apply({ state: null, weight: null })}>
							Back to what the file says
						</button>
					</>
				)}
			</p>
		</ConfirmDialog>
	);
}
