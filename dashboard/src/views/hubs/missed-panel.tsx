/** Why something did not reach a user. */
import { Empty, LoadError, Panel, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { TypedField } from "../../parts/typed-field.tsx";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { formatTime } from "../../text/format.ts";
import { missedKind, missedReason, standing } from "../../text/missed.ts";

const POLL_MS = 3_000;

export function MissedPanel({ hub }: { hub: string }) {
	const { location } = useApp();
	const { params } = location.place.value;
	const user = params.get("user") ?? "";
	const topic = params.get("about") ?? "";
	return (
		<Panel title="What did not reach a user, and why">
			<search class="filters">
				<form onSubmit={(event) => event.preventDefault()} aria-label="Whom something did not reach">
					<TypedField
						label="User"
						placeholder="as tokens name it"
						value={user}
						onValue={(value) => location.set({ user: value.trim() })}
					/>
					<TypedField
						label="Only this topic"
						value={topic}
						onValue={(value) => location.set({ about: value.trim() })}
					/>
				</form>
			</search>
			{user === "" ? (
				<Empty>Name a user: refusals, slow readers, lost connections and recoveries are remembered for a while.</Empty>
			) : (
				<Found key={`${hub} ${user} ${topic}`} hub={hub} user={user} topic={topic} />
			)}
		</Panel>
	);
}

function Found({ hub, user, topic }: { hub: string; user: string; topic: string }) {
	const { api } = useApp();
	const { data, error } = usePoll((abort) => api.hubMissed(hub, user, topic, abort), POLL_MS);
	if (!data) return <LoadError error={error} />;
	const now = standing(data);
	return (
		<>
			<p>
				<Status tone={now.tone}>
					<b>{user}</b> {now.text}
				</Status>
			</p>
			{data.missed.length === 0 ? (
				<Empty>Nothing is remembered that did not reach it.</Empty>
			) : (
				<TableFrame label="What did not reach the user">
					<table>
						<thead>
							<tr>
								<th scope="col">Time</th>
								<th scope="col">What</th>
								<th scope="col">Topic</th>
								<th scope="col" class="number">
									Times
								</th>
								<th scope="col">Why</th>
								<th scope="col">Connection</th>
							</tr>
						</thead>
						<tbody>
							{data.missed.map((each) => {
								const { text, tone } = missedKind(each);
								return (
									<tr
										key={`${each.kind} ${each.client} ${each.topic} ${each.action} ${each.error} ${each.code} ${each.by}`}
									>
										<td>{formatTime(each.time)}</td>
										<td>
											<Status tone={tone}>{text}</Status>
										</td>
										<td class="mono">{each.topic ?? "all that it followed"}</td>
										<td class="number">{each.count}</td>
										<td class="wrap">{missedReason(each)}</td>
										<td class="mono secondary cut">{each.client}</td>
									</tr>
								);
							})}
						</tbody>
					</table>
				</TableFrame>
			)}
		</>
	);
}
