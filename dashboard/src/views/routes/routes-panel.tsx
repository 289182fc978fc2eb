/** The routes in the order in which they are tried. */
import type { Route, Upstream } from "../../api/model.ts";
import { endpointTone } from "../../parts/endpoint-status.tsx";
import { Panel, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { hashOf } from "../../state/location.ts";
import { useRates } from "../../state/rates.ts";
import { formatCount, formatRate } from "../../text/format.ts";
import { matchText } from "../../text/match.ts";
import type { Tone } from "../../text/tone.ts";

interface RoutesPanelProps {
	readonly routes: readonly Route[];
	readonly upstreams: readonly Upstream[];
}

export function RoutesPanel({ routes, upstreams }: RoutesPanelProps) {
	const rateOf = useRates(
		routes,
		({ name }) => name,
		({ opened, closed, rejected }) => ({ opened, closed, rejected }),
		() => performance.now(),
	);
	return (
		<Panel title="Routes" actions="tried in this order">
			<TableFrame label="Routes">
				<table>
					<thead>
						<tr>
							<th scope="col" class="number">
								#
							</th>
							<th scope="col">Route</th>
							<th scope="col">Takes</th>
							<th scope="col">Leads to</th>
							<th scope="col" class="number">
								Open
							</th>
							<th scope="col" class="number">
								Draining
							</th>
							<th scope="col" class="number">
								Opened
							</th>
							<th scope="col" class="number">
								Closed
							</th>
							<th scope="col" class="number">
								Rejected
							</th>
						</tr>
					</thead>
					<tbody>
						{routes.map((route, index) => (
							<tr key={route.name}>
								<td class="number secondary">{index + 1}</td>
								<th scope="row">{route.name}</th>
								<td class="mono wrap">{matchText(route.match)}</td>
								<td>
									{route.hub !== null && (
										<>
											hub <a href={hashOf("hubs", { hub: route.hub })}>{route.hub}</a>
										</>
									)}
									{route.upstreams.map(({ name, weight }) => (
										<div key={name}>
											<UpstreamLink upstream={upstreams.find((each) => each.name === name)} name={name} />
											{route.upstreams.length > 1 && <span class="secondary"> weight {weight}</span>}
										</div>
									))}
								</td>
								<td class="number">
									<a href={hashOf("connections", { route: route.name })}>{formatCount(route.active)}</a>
								</td>
								<td class="number">{formatCount(route.draining)}</td>
								{(["opened", "closed", "rejected"] as const).map((key) => (
									<td class="number" key={key}>
										{formatCount(route[key])}
										<Rate value={rateOf(route.name, key)} />
									</td>
								))}
							</tr>
						))}
					</tbody>
				</table>
			</TableFrame>
		</Panel>
	);
}

function UpstreamLink({ upstream, name }: { upstream: Upstream | undefined; name: string }) {
	const usable = upstream?.endpoints.filter(({ available }) => available).length ?? 0;
	const all = upstream?.endpoints.length ?? 0;
	const troubled = upstream?.endpoints.some((endpoint) => ["bad", "warn"].includes(endpointTone(endpoint))) ?? true;
	const tone: Tone = usable === 0 ? "bad" : troubled ? "warn" : "good";
	return (
		<Status tone={tone}>
			<a href={hashOf("routes", { upstream: name })}>{name}</a>{" "}
			<span class="secondary">
				{usable} of {all} usable
			</span>
		</Status>
	);
}

function Rate({ value }: { value: number | undefined }) {
	return <span class="secondary below">{value === undefined ? "–" : formatRate(value)} /s</span>;
}
