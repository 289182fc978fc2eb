/** The running configuration, and reading it anew. */
import { useMemo, useState } from "preact/hooks";
import { ApiFailure } from "../../api/client.ts";
import type { Reloaded } from "../../api/model.ts";
import { LoadError, Panel, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { useAction } from "../../state/action.ts";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { formatTime } from "../../text/format.ts";
import { fileName, parseProblem } from "../../text/problem.ts";
import { ConfigText } from "./config-text.tsx";

export function ConfigView() {
	const { api, activity } = useApp();
	const last = activity.state.value?.activity.last_reload ?? null;
	const { data, error, refresh } = usePoll((abort) => api.config(abort), 0, `${last?.time ?? 0}`);
	return (
		<>
			<ReloadPanel onReloaded={refresh} />
			<LoadError error={data ? undefined : error} />
			{data && <ConfigText config={data} />}
		</>
	);
}

function ReloadPanel({ onReloaded }: { onReloaded: () => void }) {
	const { api, activity } = useApp();
	const [outcome, setOutcome] = useState<Reloaded | undefined>(undefined);
	const { run, busy, error } = useAction();
	const last = activity.state.value?.activity.last_reload ?? undefined;
	const reload = (): void =>
		run(async () => {
			setOutcome(undefined);
			setOutcome(await rejectedToo(api.reload()));
			onReloaded();
		});
	return (
		<Panel
			title="Reload"
			actions={
				<button type="button" class="primary" onClick={reload} disabled={busy}>
					{busy ? "Reading…" : "Reload now"}
				</button>
			}
		>
			<p class="secondary">
				Reads the file anew. Only connections whose route or endpoint is gone are drained; a file with mistakes changes
				nothing.
			</p>
			<LoadError error={error === undefined ? undefined : new Error(error)} />
			<div role="status">{outcome && <Outcome {...outcome} />}</div>
			{!outcome && last && (
				<>
					<p>
						<Status tone={last.result === "success" ? "good" : "bad"}>
							Last change ({last.trigger}) at {formatTime(last.time)}:{" "}
							{last.result === "success" ? "taken" : "rejected"}
						</Status>
					</p>
					<Problems problems={last.problems} />
				</>
			)}
		</Panel>
	);
}

/** A rejected reload is an answer, not a failure. */
async function rejectedToo(reload: Promise<Reloaded>): Promise<Reloaded> {
	try {
		return await reload;
	} catch (failure) {
		if (failure instanceof ApiFailure && failure.code === "CONFIG_REJECTED") return failure.body as Reloaded;
		throw failure;
	}
}

function Outcome({ result, problems }: Reloaded) {
	const words = {
		success: <Status tone="good">The new configuration is in force.</Status>,
		unchanged: <Status tone="good">Nothing has changed: the file says what is running.</Status>,
		rejected: <Status tone="bad">Rejected: the running configuration stays. Correct these and reload again.</Status>,
	};
	return (
		<>
			<p>{words[result]}</p>
			<Problems problems={problems} />
		</>
	);
}

function Problems({ problems }: { problems: readonly string[] }) {
	const parsed = useMemo(() => problems.map(parseProblem), [problems]);
	if (parsed.length === 0) return null;
	return (
		<TableFrame label="Problems of the configuration">
			<table class="problems">
				<thead>
					<tr>
						<th scope="col">Kind</th>
						<th scope="col">Where</th>
						<th scope="col">What is wrong</th>
					</tr>
				</thead>
				<tbody>
					{parsed.map(({ file, line, column, text, severity }, index) => (
						<tr key={`${index} ${text}`}>
							<td>
								<Status tone={severity === "error" ? "bad" : "warn"}>{severity}</Status>
							</td>
							<td class="mono" title={file}>
								{line === undefined ? "–" : `${fileName(file)}, line ${line}, column ${column}`}
							</td>
							<td class="mono wrap">{text}</td>
						</tr>
					))}
				</tbody>
			</table>
		</TableFrame>
	);
}
