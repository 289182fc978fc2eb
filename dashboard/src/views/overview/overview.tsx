/** What is connected where, why things closed, and what needs attention: ten seconds. */
import { useState } from "preact/hooks";
import { useApp } from "../../state/app.ts";
import { usePoll } from "../../state/poll.ts";
import { certificateExpiries } from "../../text/certificates.ts";
import { AttentionList } from "./attention.tsx";
import { ActivityCharts, SPANS, type Span } from "./charts.tsx";
import { ClosesPanel, RejectionsPanel } from "./reasons.tsx";
import { Tiles } from "./tiles.tsx";
import { WherePanel } from "./where.tsx";

const POLL_MS = 2_000;
/** A whole scrape is dear, and certificates change rarely. */
const CERTIFICATES_MS = 10 * 60_000;

export function OverviewView() {
	const { activity, api } = useApp();
	const [span, setSpan] = useState<Span>(SPANS[1]);
	const pools = usePoll(async (abort) => {
		const [upstreams, drains] = await Promise.all([api.upstreams(abort), api.drains(abort)]);
		return { upstreams, drains };
	}, POLL_MS);
	const certificates = usePoll(async (abort) => certificateExpiries(await api.metrics(abort)), CERTIFICATES_MS);
	const state = activity.state.value;
	if (!state || !pools.data) return <p class="empty">Asking the gateway…</p>;
	return (
		<div class="overview">
			<AttentionList facts={{ ...state, ...pools.data, certificates: certificates.data ?? [] }} />
			<Tiles state={state} />
			<div class="overview-grid">
				<ActivityCharts state={state} span={span} onSpan={setSpan} />
				<WherePanel upstreams={pools.data.upstreams} />
				<ClosesPanel state={state} span={span} />
				<RejectionsPanel state={state} span={span} />
			</div>
		</div>
	);
}
