/** One page of connections. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Connection } from "../../api/model.ts";
import { Empty, TableFrame } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { type RateOf, useRates } from "../../state/rates.ts";
import { formatBytes, formatCount, formatDuration, formatRate, formatRtt } from "../../text/format.ts";
import type { SortKey, TableQuery } from "./query.ts";

export interface ConnectionTableProps {
	readonly connections: readonly Connection[];
	readonly query: TableQuery;
	readonly selected: ReadonlyMap<string, Connection>;
	readonly onSelect: (connections: readonly Connection[], on: boolean) => void;
	readonly onSort: (key: SortKey) => void;
	readonly onDetails: (id: string) => void;
}

export function ConnectionTable(props: ConnectionTableProps) {
	const { connections, query, selected, onSelect, onSort, onDetails } = props;
	const rateOf = useRates(
		connections,
		({ connection_id }) => connection_id,
		({ messages_in, messages_out }) => ({ in: messages_in, out: messages_out }),
		() => performance.now(),
	);
	if (connections.length === 0) return <Empty>No open connection fits.</Empty>;
	const chosen = connections.filter(({ connection_id }) => selected.has(connection_id)).length;
	const header = (key: SortKey, children: ComponentChildren) => (
		<SortHeader sorted={query.sort === key ? shownOrder(query) : undefined} onSort={() => onSort(key)}>
			{children}
		</SortHeader>
	);
	return (
		<TableFrame label="Open connections">
			<table class="connection-table">
				<thead>
					<tr>
						<td class="check">
							<AllBox
								state={chosen === 0 ? "none" : chosen === connections.length ? "all" : "some"}
								onChange={(on) => onSelect(connections, on)}
							/>
						</td>
						<th scope="col">Client</th>
						<th scope="col">User</th>
						<th scope="col">Route</th>
						<th scope="col">Endpoint</th>
						<th scope="col">Subprotocol</th>
						{header("opened", "Age")}
						{header("messages_in", "Messages in")}
						{header("messages_out", "Messages out")}
						{header("bytes_in", "Bytes in")}
						{header("bytes_out", "Bytes out")}
						{header("rtt", "RTT")}
						<th scope="col">State</th>
					</tr>
				</thead>
				<tbody>
					{connections.map((connection) => (
						<Row
							key={connection.connection_id}
							connection={connection}
							rateOf={rateOf}
							selected={selected.has(connection.connection_id)}
							onSelect={onSelect}
							onDetails={onDetails}
						/>
					))}
				</tbody>
			</table>
		</TableFrame>
	);
}

/** The API sorts by when a connection opened; the column shows its age, which is the other way round. */
function shownOrder({ sort, order }: TableQuery): "asc" | "desc" {
	if (sort !== "opened") return order;
	return order === "asc" ? "desc" : "asc";
}

interface RowProps extends Pick<ConnectionTableProps, "onSelect" | "onDetails"> {
	readonly connection: Connection;
	readonly rateOf: RateOf<"in" | "out">;
	readonly selected: boolean;
}

function Row({ connection, rateOf, selected, onSelect, onDetails }: RowProps) {
	const {
		connection_id: id,
		client_ip,
		user,
		route,
		endpoint,
		subprotocol,
		age_ms,
		rtt_ms,
		draining,
		closing,
	} = connection;
	const state = closing ? "closing" : draining ? "draining" : "open";
	return (
		<tr class={selected ? "selected" : undefined}>
			<td class="check">
				<input
					type="checkbox"
					checked={selected}
					aria-label={`Select the connection of ${client_ip}, ${id}`}
					onChange={(event) => onSelect([connection], event.currentTarget.checked)}
				/>
			</td>
			<td>
				<button type="button" class="link mono" onClick={() => onDetails(id)} title="Details">
					{client_ip}
				</button>
			</td>
			<td class="cut">{user ?? "–"}</td>
			<td class="cut">{route ?? "–"}</td>
			<td class="mono cut">{endpoint ?? "–"}</td>
			<td class="cut">{subprotocol ?? "–"}</td>
			<td class="number">{formatDuration(age_ms)}</td>
			<td class="number">
				{formatCount(connection.messages_in)} <Rate value={rateOf(id, "in")} />
			</td>
			<td class="number">
				{formatCount(connection.messages_out)} <Rate value={rateOf(id, "out")} />
			</td>
			<td class="number">{formatBytes(connection.bytes_in)}</td>
			<td class="number">{formatBytes(connection.bytes_out)}</td>
			<td class="number">{formatRtt(rtt_ms.client)}</td>
			<td>
				<Status tone={state === "open" ? "good" : "busy"}>{state}</Status>
			</td>
		</tr>
	);
}

function Rate({ value }: { value: number | undefined }) {
	return <span class="secondary rate">{value === undefined ? "" : `${formatRate(value)}/s`}</span>;
}

interface SortHeaderProps {
	readonly sorted: "asc" | "desc" | undefined;
	readonly onSort: () => void;
	readonly children: ComponentChildren;
}

function SortHeader({ sorted, onSort, children }: SortHeaderProps) {
	return (
		<th
			scope="col"
			class="number sortable"
			aria-sort={sorted === undefined ? undefined : sorted === "asc" ? "ascending" : "descending"}
		>
			<button type="button" class="sort" onClick={onSort}>
				<span aria-hidden="true" class="sort-mark">
					{sorted === undefined ? "" : sorted === "asc" ? "▲" : "▼"}
				</span>
				{children}
			</button>
		</th>
	);
}

function AllBox({ state, onChange }: { state: "none" | "some" | "all"; onChange: (on: boolean) => void }) {
	const box = useRef<HTMLInputElement>(null);
	useEffect(() => {
		if (box.current) box.current.indeterminate = state === "some";
	}, [state]);
	return (
		<input
			ref={box}
			type="checkbox"
			checked={state === "all"}
			aria-label="Select all connections of this page"
			onChange={(event) => onChange(event.currentTarget.checked)}
		/>
	);
}
