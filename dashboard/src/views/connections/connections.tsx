/** Open connections: filter, sort, look at one, close some. The gateway does the work; one page of rows is here. */
import { useEffect, useState } from "preact/hooks";
import type { Connection } from "../../api/model.ts";
import { LoadError, Panel } from "../../parts/panel.tsx";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { formatCount, plural } from "../../text/format.ts";
import { CloseDialog, type CloseTarget } from "./close-dialog.tsx";
import { Details } from "./details.tsx";
import { Filters } from "./filters.tsx";
import { Pager } from "./pager.tsx";
import { filterText, pageQuery, type SortKey, tableQuery } from "./query.ts";
import { ConnectionTable } from "./table.tsx";

const POLL_MS = 2_000;
/** As many as one request can name. */
const MAX_SELECTED = 1_000;

export function ConnectionsView() {
	const { api, location, notices } = useApp();
	const { params } = location.place.value;
	const query = tableQuery(params);
	const [live, setLive] = useState(true);
	const [selected, setSelected] = useState<ReadonlyMap<string, Connection>>(new Map());
	const [closing, setClosing] = useState<CloseTarget | undefined>(undefined);
	// Rows that jump away under the pointer are not what one wants to click.
	const refreshes = live && selected.size === 0;
	const asked = pageQuery(query);
	const key = JSON.stringify(asked);
	const { data, error, refresh } = usePoll((abort) => api.connections(asked, abort), refreshes ? POLL_MS : 0, key);
	const detailId = params.get("id") ?? undefined;

	const filterKey = JSON.stringify(query.filter);
	// Another filter is another selection.
	useEffect(() => setSelected(new Map()), [filterKey]);

	const select = (connections: readonly Connection[], on: boolean): void => {
		const next = new Map(selected);
		for (const connection of connections) {
			if (on) next.set(connection.connection_id, connection);
			else next.delete(connection.connection_id);
		}
		if (next.size > MAX_SELECTED) notices.error(`At most ${formatCount(MAX_SELECTED)} connections can be selected.`);
		else setSelected(next);
	};
	const sortBy = (sort: SortKey): void => {
		const order = query.sort === sort && query.order === "desc" ? "asc" : undefined;
		location.set({ sort: sort === "opened" ? undefined : sort, order, page: undefined });
	};
	const closed = (): void => {
		setClosing(undefined);
		setSelected(new Map());
		location.set({ id: undefined });
		refresh();
		// The button that was used is gone with the selection.
		requestAnimationFrame(() => document.querySelector("main")?.focus());
	};
	const fitting = filterText(query.filter) || "all connections";
	return (
		<>
			<Filters filter={query.filter} />
			<Panel
				title={data ? plural(data.total, "connection") : "Connections"}
				class="connections"
				actions={
					<>
						{live && selected.size > 0 && <span>paused while rows are selected</span>}
						<button type="button" aria-pressed={live} onClick={() => setLive(!live)}>
							Live
						</button>
						<button type="button" onClick={refresh}>
							Refresh
						</button>
						<button
							type="button"
							class="danger-quiet"
							disabled={!data || data.total === 0}
							onClick={() => data && setClosing({ kind: "fitting", filter: query.filter, count: data.total })}
						>
							Close all{filterText(query.filter) ? " that fit" : ""}…
						</button>
					</>
				}
			>
				<LoadError error={error} />
				{data && (
					<>
						<ConnectionTable
							connections={data.connections}
							query={query}
							selected={selected}
							onSelect={select}
							onSort={sortBy}
							onDetails={(id) => location.set({ id })}
						/>
						<Pager total={data.total} query={query} />
					</>
				)}
			</Panel>
			{selected.size > 0 && (
				<section class="selection" aria-label="Selection">
					<b aria-live="polite">{formatCount(selected.size)} selected</b>
					<button
						type="button"
						class="danger"
						onClick={() => setClosing({ kind: "listed", connections: [...selected.values()] })}
					>
						Close selected…
					</button>
					<button type="button" onClick={() => setSelected(new Map())}>
						Clear
					</button>
				</section>
			)}
			{detailId !== undefined && (
				<Details
					key={detailId}
					id={detailId}
					onClose={() => location.set({ id: undefined })}
					onCloseConnection={(connection) => setClosing({ kind: "listed", connections: [connection] })}
				/>
			)}
			{closing && (
				<CloseDialog target={closing} fitting={fitting} onDone={closed} onClose={() => setClosing(undefined)} />
			)}
		</>
	);
}
