/** Why connections closed, and why handshakes were refused, in the time that the charts show. */
import { closeTotals, rejectionTotals } from "../../charts/bins.ts";
import { Empty, Panel, TableFrame } from "../../parts/panel.tsx";
import type { ActivityState } from "../../state/activity.ts";
import { formatCount, formatTime, plural } from "../../text/format.ts";
import { closeCodeName, terminationName } from "../../text/words.ts";
import type { Span } from "./charts.tsx";

const MAX_ROWS = 8;

interface ReasonsProps {
	readonly state: ActivityState;
	readonly span: Span;
}

export function ClosesPanel({ state: { activity, intervals }, span }: ReasonsProps) {
	const totals = closeTotals(intervals, activity.time - span.ms);
	const all = totals.reduce((sum, { count }) => sum + count, 0);
	return (
		<Panel title="Why connections closed" actions={`${formatCount(all)} in ${span.label}`} id="closes">
			{totals.length === 0 ? (
				<Empty>No connection closed in this time.</Empty>
			) : (
				<TableFrame label="Why connections closed">
					<table>
						<thead>
							<tr>
								<th scope="col">Close code</th>
								<th scope="col">Who</th>
								<th scope="col">Why</th>
								<th scope="col" class="number">
									Count
								</th>
								<th scope="col">
									<span class="visually-hidden">Share</span>
								</th>
							</tr>
						</thead>
						<tbody>
							{totals.slice(0, MAX_ROWS).map(({ close_code, initiator, termination, count }) => (
								<tr key={`${close_code} ${initiator} ${termination}`}>
									<td>
										<b>{close_code === 0 ? "" : close_code}</b> {closeCodeName(close_code)}
									</td>
									<td>
										<span class={`swatch series-by-${initiator}`} />
										{initiator}
									</td>
									<td title={`termination: ${termination}`}>{terminationName(termination)}</td>
									<td class="number">{formatCount(count)}</td>
									<td class="share">
										<ShareBar share={count / all} />
									</td>
								</tr>
							))}
						</tbody>
					</table>
				</TableFrame>
			)}
			{totals.length > MAX_ROWS && <p class="more">and {plural(totals.length - MAX_ROWS, "rarer kind")}</p>}
		</Panel>
	);
}

export function RejectionsPanel({ state: { activity, intervals, rejections }, span }: ReasonsProps) {
	const totals = rejectionTotals(intervals, activity.time - span.ms);
	const all = totals.reduce((sum, { count }) => sum + count, 0);
	return (
		<Panel title="Refused handshakes" actions={`${formatCount(all)} in ${span.label}`} id="rejections" class="wide">
			{totals.length === 0 ? (
				<Empty>No handshake was refused in this time.</Empty>
			) : (
				<TableFrame label="Refused handshakes">
					<table>
						<thead>
							<tr>
								<th scope="col">Code</th>
								<th scope="col">Route</th>
								<th scope="col" class="number">
									Count
								</th>
								<th scope="col">The last one</th>
							</tr>
						</thead>
						<tbody>
							{totals.slice(0, MAX_ROWS).map(({ code, route, count }) => {
								const last = rejections.find((each) => each.code === code && each.route === route);
								return (
									<tr key={`${code} ${route ?? ""}`}>
										<td>
											<code>{code}</code>
										</td>
										<td>{route ?? "–"}</td>
										<td class="number">{formatCount(count)}</td>
										<td class="reason">
											{last ? (
												<>
													<span class="secondary">
														{formatTime(last.time)} {last.status} {last.client_ip} {last.host}
														{last.path}
													</span>
													<br />
													{last.message}
												</>
											) : (
												"–"
											)}
										</td>
									</tr>
								);
							})}
						</tbody>
					</table>
				</TableFrame>
			)}
			{totals.length > MAX_ROWS && <p class="more">and {plural(totals.length - MAX_ROWS, "rarer kind")}</p>}
		</Panel>
	);
}

export function ShareBar({ share, look = "" }: { share: number; look?: string }) {
	return (
		<svg class={`share-bar ${look}`} width="100%" height="8" aria-hidden="true">
			<rect class="share-back" width="100%" height="8" rx="2" />
			<rect class="share-fill" width={`${Math.min(100, share * 100).toFixed(1)}%`} height="8" rx="2" />
		</svg>
	);
}
