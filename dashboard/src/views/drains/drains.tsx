/** Drains that run, with their progress, and the last ones that ended. */
import { useState } from "preact/hooks";
import type { Drain } from "../../api/model.ts";
import { nameOptions, SelectField } from "../../parts/field.tsx";
import { Empty, LoadError, Panel } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { formatCount, formatDuration, formatTime, plural } from "../../text/format.ts";
import { closeCodeName } from "../../text/words.ts";
import { DrainDialog, type DrainTarget } from "./drain-dialog.tsx";

const RUNNING_MS = 1_000;
const IDLE_MS = 3_000;

export function DrainsView() {
	const { api } = useApp();
	const [runs, setRuns] = useState(false);
	const { data, error, refresh } = usePoll(
		async (abort) => {
			const drains = await api.drains(abort);
			setRuns(drains.some(({ state }) => state === "running"));
			return drains;
		},
		runs ? RUNNING_MS : IDLE_MS,
	);
	const newestFirst = data?.toReversed() ?? [];
	return (
		<>
			<LoadError error={data ? undefined : error} />
			<Panel title="Drains" actions={data && `${data.filter(({ state }) => state === "running").length} running`}>
				{newestFirst.length === 0 ? (
					<Empty>No drain since the gateway started. A drain closes connections politely, spread over time.</Empty>
				) : (
					<ul class="drains">
						{newestFirst.map((drain) => (
							<DrainItem key={drain.id} drain={drain} />
						))}
					</ul>
				)}
			</Panel>
			<StartPanel onStarted={refresh} />
		</>
	);
}

function DrainItem({ drain }: { drain: Drain }) {
	const { activity } = useApp();
	const { id, target, state, total, remaining, started_at, spread_ms, timeout_ms, close_code } = drain;
	const started = Date.parse(started_at);
	const running = state === "running";
	const elapsed = (activity.state.value?.activity.time ?? started) - started;
	const closed = total - remaining;
	const percent = total === 0 ? 100 : Math.floor((100 * closed) / total);
	return (
		<li class="drain">
			<div class="drain-head">
				<b id={`drain-${id}`}>{target}</b>
				<Status tone={running ? "busy" : "good"}>{running ? "running" : "done"}</Status>
			</div>
			<div class="drain-bar">
				<progress max={Math.max(1, total)} value={total === 0 ? 1 : closed} aria-labelledby={`drain-${id}`} />
				<span>
					{formatCount(closed)} of {plural(total, "connection")} closed ({percent} %)
				</span>
			</div>
			<p class="secondary">
				Began {formatTime(started)}
				{running && elapsed > 0 && `, ${formatDuration(elapsed)} ago`} · spread over {formatDuration(spread_ms)} · cut
				off after {formatDuration(timeout_ms)} · close code {close_code} {closeCodeName(close_code)}
			</p>
		</li>
	);
}

/** What a new drain is about. */
function StartPanel({ onStarted }: { onStarted: () => void }) {
	const { api } = useApp();
	const [target, setTarget] = useState<DrainTarget>({});
	const [asking, setAsking] = useState(false);
	const { data } = usePoll(async (abort) => {
		const [routes, upstreams] = await Promise.all([api.routes(abort), api.upstreams(abort)]);
		return { routes, upstreams };
	}, 10_000);
	const upstreams = data?.upstreams.filter(({ name }) => !target.upstream || name === target.upstream) ?? [];
	const endpoints = [...new Set(upstreams.flatMap((each) => each.endpoints.map(({ id }) => id)))];
	const select = (key: keyof DrainTarget, label: string, all: string, names: readonly string[]) => (
		<SelectField
			label={label}
			value={target[key] ?? ""}
			options={nameOptions(names, all, target[key] ?? "")}
			onValue={(value) => setTarget({ ...target, [key]: value === "" ? undefined : value })}
		/>
	);
	return (
		<Panel title="Start a drain">
			<form
				class="field-row bottom"
				onSubmit={(event) => {
					event.preventDefault();
					setAsking(true);
				}}
			>
				{select("route", "Route", "every route", data?.routes.map(({ name }) => name) ?? [])}
				{select("upstream", "Upstream", "every upstream", data?.upstreams.map(({ name }) => name) ?? [])}
				{select("endpoint", "Endpoint", "every endpoint", endpoints)}
				<button type="submit">Drain…</button>
			</form>
			{asking && (
				<DrainDialog
					target={target}
					onClose={() => setAsking(false)}
					onDone={() => {
						setAsking(false);
						onStarted();
					}}
				/>
			)}
		</Panel>
	);
}
