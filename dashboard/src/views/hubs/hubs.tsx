/** Hubs: their rules, who follows which topic, one topic live, and what did not reach somebody. */
import type { Hub } from "../../api/model.ts";
import { Empty, LoadError, Panel, TableFrame } from "../../parts/panel.tsx";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { usePoll } from "../../state/poll.ts";
import { formatCount, formatRate } from "../../text/format.ts";
import { MissedPanel } from "./missed-panel.tsx";
import { RulesPanel } from "./rules-panel.tsx";
import { TopicPanel } from "./topic-panel.tsx";
import { TopicsPanel } from "./topics-panel.tsx";

const POLL_MS = 2_000;

export function HubsView() {
	const { api, location } = useApp();
	const { data, error } = usePoll((abort) => api.hubs(abort), POLL_MS);
	if (!data) return error ? <LoadError error={error} /> : <p class="empty">Asking the gateway…</p>;
	const { params } = location.place.value;
	const hub = data.find(({ name }) => name === params.get("hub")) ?? data[0];
	if (!hub) {
		return (
			<Panel title="Hubs">
				<Empty>
					The configuration has no hubs. A hub serves WebSockets itself: clients follow topics, backends publish.
				</Empty>
			</Panel>
		);
	}
	const topic = params.get("topic") ?? "";
	return (
		<>
			{data.length > 1 && <HubsPanel hubs={data} shown={hub} />}
			<RulesPanel hub={hub} />
			<TopicsPanel hub={hub.name} />
			{topic !== "" && <TopicPanel key={`${hub.name} ${topic}`} hub={hub.name} topic={topic} />}
			<MissedPanel hub={hub.name} />
		</>
	);
}

function HubsPanel({ hubs, shown }: { hubs: readonly Hub[]; shown: Hub }) {
	return (
		<Panel title="Hubs">
			<TableFrame label="Hubs">
				<table>
					<thead>
						<tr>
							<th scope="col">Hub</th>
							<th scope="col">Engine</th>
							<th scope="col" class="number">
								Connections
							</th>
							<th scope="col" class="number">
								Subscriptions
							</th>
							<th scope="col" class="number">
								Topics
							</th>
							<th scope="col" class="number">
								Published /s
							</th>
						</tr>
					</thead>
					<tbody>
						{hubs.map((hub) => (
							<tr key={hub.name} class={hub === shown ? "selected" : ""}>
								<th scope="row">
									<a href={hashOf("hubs", { hub: hub.name })} aria-current={hub === shown ? "true" : undefined}>
										{hub.name}
									</a>
								</th>
								<td>{hub.engine}</td>
								<td class="number">{formatCount(hub.connections)}</td>
								<td class="number">{formatCount(hub.subscriptions)}</td>
								<td class="number">{formatCount(hub.topics)}</td>
								<td class="number">{formatRate(hub.publications_per_second)}</td>
							</tr>
						))}
					</tbody>
				</table>
			</TableFrame>
		</Panel>
	);
}
