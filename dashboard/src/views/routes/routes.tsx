/** Routes, the upstreams they lead to, and their endpoints. */
import { useEffect, useState } from "preact/hooks";
import type { Endpoint, Upstream } from "../../api/model.ts";
import { LoadError } from "../../parts/panel.tsx";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { DrainDialog } from "../drains/drain-dialog.tsx";
import { EndpointDialog } from "./endpoint-dialog.tsx";
import { RoutesPanel } from "./routes-panel.tsx";
import { UpstreamPanel } from "./upstream-panel.tsx";

const POLL_MS = 2_000;

interface Chosen {
	readonly action: "change" | "drain";
	readonly upstream: string;
	readonly endpoint: Endpoint;
}

export function RoutesView() {
	const { api, location } = useApp();
	const { data, error, refresh } = usePoll(async (abort) => {
		const [routes, upstreams] = await Promise.all([api.routes(abort), api.upstreams(abort)]);
		return { routes, upstreams };
	}, POLL_MS);
	const [chosen, setChosen] = useState<Chosen | undefined>(undefined);
	const marked = location.place.value.params.get("upstream") ?? "";
	const loaded = data !== undefined;
	useEffect(() => {
		if (loaded && marked !== "") document.getElementById(upstreamId(marked))?.scrollIntoView({ block: "start" });
	}, [loaded, marked]);
	if (!data) return error ? <LoadError error={error} /> : <p class="empty">Asking the gateway…</p>;
	const act = (action: Chosen["action"]) => (upstream: Upstream, endpoint: Endpoint) =>
		setChosen({ action, upstream: upstream.name, endpoint });
	const done = (): void => {
		setChosen(undefined);
		refresh();
	};
	return (
		<>
			<RoutesPanel routes={data.routes} upstreams={data.upstreams} />
			{data.upstreams.map((upstream) => (
				<UpstreamPanel
					key={upstream.name}
					id={upstreamId(upstream.name)}
					upstream={upstream}
					routes={data.routes.filter((route) => route.upstreams.some(({ name }) => name === upstream.name))}
					marked={upstream.name === marked}
					onChange={act("change")}
					onDrain={act("drain")}
				/>
			))}
			{chosen?.action === "change" && <EndpointDialog {...chosen} onDone={done} onClose={() => setChosen(undefined)} />}
			{chosen?.action === "drain" && (
				<DrainDialog
					target={{ upstream: chosen.upstream, endpoint: chosen.endpoint.id }}
					connections={chosen.endpoint.active}
					onDone={done}
					onClose={() => setChosen(undefined)}
				/>
			)}
		</>
	);
}

function upstreamId(name: string): string {
	return `upstream-${encodeURIComponent(name)}`;
}
