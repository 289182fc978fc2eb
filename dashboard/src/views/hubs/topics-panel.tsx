/** Topics that somebody follows, those with most subscribers first. */
import { Empty, LoadError, Panel, TableFrame } from "../../parts/panel.tsx";
import { TypedField } from "../../parts/typed-field.tsx";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { usePoll } from "../../state/poll.ts";
import { formatCount, formatRate, plural } from "../../text/format.ts";

const POLL_MS = 2_000;
const MOST = 50;

export function TopicsPanel({ hub }: { hub: string }) {
	const { api, location } = useApp();
	const { params } = location.place.value;
	const prefix = params.get("prefix") ?? "";
	const shown = params.get("topic") ?? "";
	const { data, error } = usePoll((abort) => api.hubTopics(hub, prefix, MOST, abort), POLL_MS, `${hub} ${prefix}`);
	const total = data?.total ?? 0;
	return (
		<Panel
			title="Topics"
			actions={total > MOST ? `the first ${MOST} of ${formatCount(total)}` : data && plural(total, "topic")}
		>
			<search class="filters">
				<form onSubmit={(event) => event.preventDefault()} aria-label="Filter topics">
					<TypedField
						label="Begins with"
						placeholder="rating.game."
						value={prefix}
						onValue={(value) => location.set({ prefix: value.trim() })}
					/>
					<TypedField
						label="Show the topic"
						placeholder="also one that nobody follows"
						value={shown}
						onValue={(value) => location.set({ topic: value.trim() })}
					/>
				</form>
			</search>
			<LoadError error={data ? undefined : error} />
			{data?.topics.length === 0 && <Empty>Nobody follows such a topic now.</Empty>}
			{data !== undefined && data.topics.length > 0 && (
				<TableFrame label="Topics">
					<table>
						<thead>
							<tr>
								<th scope="col">Topic</th>
								<th scope="col">Rule</th>
								<th scope="col" class="number">
									Subscribers
								</th>
								<th scope="col" class="number">
									Published /s
								</th>
							</tr>
						</thead>
						<tbody>
							{data.topics.map(({ topic, rule, subscribers, publications_per_second }) => (
								<tr key={topic} class={topic === shown ? "selected" : ""}>
									<th scope="row" class="mono">
										<a href={hashOf("hubs", { hub, prefix, topic })}>{topic}</a>
									</th>
									<td class="mono secondary">{rule ?? "none any more"}</td>
									<td class="number">{formatCount(subscribers)}</td>
									<td class="number">{formatRate(publications_per_second)}</td>
								</tr>
							))}
						</tbody>
					</table>
				</TableFrame>
			)}
		</Panel>
	);
}
