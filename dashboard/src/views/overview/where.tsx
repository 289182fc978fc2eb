/** Where connections are: upstreams and their endpoints with their shares. */
import type { Upstream } from "../../api/model.ts";
import { endpointTone } from "../../parts/endpoint-status.tsx";
import { Empty, Panel, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { hashOf } from "../../state/location.ts";
import { formatCount } from "../../text/format.ts";
import { unavailableName } from "../../text/words.ts";
import { ShareBar } from "./reasons.tsx";

const MAX_ROWS = 12;

export function WherePanel({ upstreams }: { upstreams: readonly Upstream[] }) {
	const endpoints = upstreams
		.flatMap((upstream) => upstream.endpoints.map((endpoint) => ({ upstream: upstream.name, ...endpoint })))
		// What is out of order stands first, then the busiest.
		.sort((a, b) => Number(a.available) - Number(b.available) || b.active - a.active);
	const most = Math.max(1, ...endpoints.map(({ active }) => active));
	const hidden = endpoints.length - MAX_ROWS;
	return (
		<Panel title="Where they are" actions={<a href={hashOf("routes")}>All routes</a>}>
			{endpoints.length === 0 ? (
				<Empty>There is no endpoint.</Empty>
			) : (
				<TableFrame label="Connections by endpoint">
					<table>
						<thead>
							<tr>
								<th scope="col">Upstream</th>
								<th scope="col">Endpoint</th>
								<th scope="col">Takes clients</th>
								<th scope="col" class="number">
									Open
								</th>
								<th scope="col">
									<span class="visually-hidden">Share</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{endpoints.slice(0, MAX_ROWS).map((endpoint) => (
								<tr key={`${endpoint.upstream} ${endpoint.id}`}>
									<td>
										<a href={hashOf("routes", { upstream: endpoint.upstream })}>{endpoint.upstream}</a>
									</td>
									<td class="mono">{endpoint.id}</td>
									<td>
										<Status tone={endpointTone(endpoint)}>
											{endpoint.available ? "yes" : unavailableName(endpoint.unavailable_reason)}
										</Status>
									</td>
									<td class="number">
										<a href={hashOf("connections", { upstream: endpoint.upstream, endpoint: endpoint.id })}>
											{formatCount(endpoint.active)}
										</a>
									</td>
									<td class="share">
										<ShareBar share={endpoint.active / most} />
									</td>
								</tr>
							))}
						</tbody>
					</table>
				</TableFrame>
			)}
			{hidden > 0 && (
				<p class="more">
					<a href={hashOf("routes")}>{formatCount(hidden)} more endpoints</a>
				</p>
			)}
		</Panel>
	);
}
