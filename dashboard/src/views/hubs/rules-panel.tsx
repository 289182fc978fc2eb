/** The rules of a hub in the order in which they are tried, and what went through each. */
import type { Hub } from "../../api/model.ts";
import { Panel, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { formatCount, formatDuration, formatRate, plural } from "../../text/format.ts";

export function RulesPanel({ hub }: { hub: Hub }) {
	const { name, connections, topics, publications_per_second, rules } = hub;
	const summary = `${plural(connections, "connection")} · ${plural(topics, "topic")} · ${formatRate(publications_per_second)} published a second`;
	return (
		<Panel title={`Hub ${name}`} actions={summary}>
			<TableFrame label="Rules">
				<table>
					<thead>
						<tr>
							<th scope="col">Rule</th>
							<th scope="col">Keeps</th>
							<th scope="col">Slow readers</th>
							<th scope="col" class="number">
								Subscriptions
							</th>
							<th scope="col" class="number">
								Published
							</th>
							<th scope="col" class="number">
								Sent
							</th>
							<th scope="col" class="number">
								Not sent
							</th>
							<th scope="col" class="number">
								Recovered
							</th>
							<th scope="col" class="number">
								Not recovered
							</th>
						</tr>
					</thead>
					<tbody>
						{rules.map(({ match, history, presence, slow, subscriptions, publications, deliveries, recoveries }) => (
							<tr key={match}>
								<th scope="row" class="mono">
									{match}
								</th>
								<td class="secondary">
									{[
										history && `${formatCount(history.size)} for ${formatDuration(history.ttl_ms)}`,
										presence && "who is there",
									]
										.filter(Boolean)
										.join("; ") || "–"}
								</td>
								<td class="secondary">{slow === "close" ? "are closed" : "get the newest"}</td>
								<td class="number">{formatCount(subscriptions)}</td>
								<td class="number">
									{formatCount(publications.client + publications.api)}
									<span class="secondary below">{formatCount(publications.api)} by backends</span>
								</td>
								<td class="number">{formatCount(deliveries.sent)}</td>
								<td class="number">
									<Trouble count={deliveries.skipped + deliveries.dropped} />
								</td>
								<td class="number">{formatCount(recoveries.recovered)}</td>
								<td class="number">
									<Trouble count={recoveries.lost} />
								</td>
							</tr>
						))}
					</tbody>
				</table>
			</TableFrame>
		</Panel>
	);
}

function Trouble({ count }: { count: number }) {
	return count === 0 ? <>0</> : <Status tone="warn">{formatCount(count)}</Status>;
}
