/** The filters of the connection table. */
import type { ConnectionFilter } from "../../api/gateway.ts";
import { nameOptions, SelectField } from "../../parts/field.tsx";
import { TypedField } from "../../parts/typed-field.tsx";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { FILTER_KEYS, type FilterKey } from "./query.ts";

/** Names change with the configuration only. */
const NAMES_MS = 30_000;

export function Filters({ filter }: { filter: ConnectionFilter }) {
	const { api, location } = useApp();
	const { data } = usePoll(async (abort) => {
		const [routes, upstreams] = await Promise.all([api.routes(abort), api.upstreams(abort)]);
		return { routes: routes.map(({ name }) => name), upstreams };
	}, NAMES_MS);
	const set = (key: FilterKey, value: string): void => location.set({ [key]: value.trim(), page: undefined });
	const upstreams = data?.upstreams ?? [];
	const endpoints = upstreams
		.filter(({ name }) => !filter.upstream || name === filter.upstream)
		.flatMap((upstream) => upstream.endpoints.map(({ id }) => id));
	const choice = (key: FilterKey, label: string, all: string, names: readonly string[]) => (
		<SelectField
			label={label}
			value={filter[key] ?? ""}
			options={nameOptions(names, all, filter[key] ?? "")}
			onValue={(value) => set(key, value)}
		/>
	);
	const any = FILTER_KEYS.some((key) => filter[key]);
	return (
		<search class="filters">
			<form onSubmit={(event) => event.preventDefault()} aria-label="Filter connections">
				{choice("route", "Route", "all", data?.routes ?? [])}
				{choice(
					"upstream",
					"Upstream",
					"all",
					upstreams.map(({ name }) => name),
				)}
				{choice("endpoint", "Endpoint", "all", [...new Set(endpoints)])}
				<TypedField
					label="Client address"
					placeholder="10.0.0.7 or 10.0.0.0/8"
					value={filter.client_ip}
					onValue={(value) => set("client_ip", value)}
				/>
				<TypedField label="User" value={filter.user} onValue={(value) => set("user", value)} />
				<TypedField label="Subprotocol" value={filter.subprotocol} onValue={(value) => set("subprotocol", value)} />
				<button
					type="button"
					disabled={!any}
					onClick={() =>
						location.set({ ...Object.fromEntries(FILTER_KEYS.map((key) => [key, undefined])), page: undefined })
					}
				>
					Clear filters
				</button>
			</form>
		</search>
	);
}
