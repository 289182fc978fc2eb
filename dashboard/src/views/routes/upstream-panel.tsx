/** An upstream: how it spreads clients, and how each of its endpoints is. */
import type { Endpoint, Route, Upstream } from "../../api/model.ts";
import { EndpointStatus, HealthStatus, ProtectionStatus } from "../../parts/endpoint-status.tsx";
import { Empty, Panel, TableFrame } from "../../parts/panel.tsx";
import { hashOf } from "../../state/location.ts";
import { formatCount } from "../../text/format.ts";
import { ShareBar } from "../overview/reasons.tsx";

interface UpstreamPanelProps {
	readonly id: string;
	readonly upstream: Upstream;
	/** Those that lead to it. */
	readonly routes: readonly Route[];
	/** It is what a link was about. */
	readonly marked: boolean;
	readonly onChange: (upstream: Upstream, endpoint: Endpoint) => void;
	readonly onDrain: (upstream: Upstream, endpoint: Endpoint) => void;
}

export function UpstreamPanel({ id, upstream, routes, marked, onChange, onDrain }: UpstreamPanelProps) {
	const { name, policy, sticky, discovery, health_check, endpoints } = upstream;
	const most = Math.max(1, ...endpoints.map(({ active }) => active));
	const facts = [
		policy.replaceAll("_", " "),
		sticky && `sticky by ${sticky}`,
		discovery && `found by ${discovery}`,
		health_check ? `${health_check} health check` : "no health check",
		routes.length === 0 ? "used by no route" : `for ${routes.map((route) => route.name).join(", ")}`,
	].filter(Boolean);
	return (
		<Panel
			title={
				<>
					<span class="secondary">Upstream</span> {name}
				</>
			}
			actions={facts.join(" · ")}
			id={id}
			class={marked ? "marked" : ""}
		>
			{endpoints.length === 0 ? (
				<Empty>It has no endpoint now.</Empty>
			) : (
				<TableFrame label={`Endpoints of ${name}`}>
					<table>
						<thead>
							<tr>
								<th scope="col">Endpoint</th>
								<th scope="col">Now</th>
								<th scope="col">Health</th>
								<th scope="col">Breaker, ejection</th>
								<th scope="col">State</th>
								<th scope="col" class="number">
									Weight
								</th>
								<th scope="col" class="number">
									Open
								</th>
								<th scope="col">
									<span class="visually-hidden">Share</span>
								</th>
								<th scope="col" class="number">
									Pending
								</th>
								<th scope="col">
									<span class="visually-hidden">Actions</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{endpoints.map((endpoint) => (
								<tr key={endpoint.id}>
									<th scope="row" class="mono">
										{endpoint.id}
										{endpoint.backup && <span class="secondary below">backup</span>}
									</th>
									<td>
										<EndpointStatus endpoint={endpoint} />
									</td>
									<td>
										<HealthStatus endpoint={endpoint} checked={health_check !== null} />
									</td>
									<td>
										<ProtectionStatus endpoint={endpoint} />
									</td>
									<td>
										{endpoint.state}
										{endpoint.state !== endpoint.configured.state && (
											<span class="secondary below">file: {endpoint.configured.state}</span>
										)}
									</td>
									<td class="number">
										<Weight endpoint={endpoint} />
									</td>
									<td class="number">
										<a href={hashOf("connections", { upstream: name, endpoint: endpoint.id })}>
											{formatCount(endpoint.active)}
										</a>
									</td>
									<td class="share">
										<ShareBar share={endpoint.active / most} />
									</td>
									<td class="number">{formatCount(endpoint.pending)}</td>
									<td class="row-actions">
										<button
											type="button"
											onClick={() => onChange(upstream, endpoint)}
											aria-label={`Change ${endpoint.id}…`}
										>
											Change…
										</button>
										<button
											type="button"
											onClick={() => onDrain(upstream, endpoint)}
											aria-label={`Drain ${endpoint.id}…`}
										>
											Drain…
										</button>
									</td>
								</tr>
							))}
						</tbody>
					</table>
				</TableFrame>
			)}
		</Panel>
	);
}

function Weight({ endpoint: { weight, effective_weight, configured } }: { endpoint: Endpoint }) {
	return (
		<>
			{weight}
			{effective_weight !== weight && (
				<span class="secondary below">now {effective_weight.toFixed(2)}, slow start</span>
			)}
			{configured.weight !== weight && <span class="secondary below">file: {configured.weight}</span>}
		</>
	);
}
