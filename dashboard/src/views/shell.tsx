/** The page around the views: header, navigation, and what concerns all of them. */
import { useEffect, useRef } from "preact/hooks";
import { Status } from "../parts/status.tsx";
import { Toasts } from "../parts/toasts.tsx";
import { useApp } from "../state/app.ts";
import { hashOf, type View } from "../state/location.ts";
import { usePoll } from "../state/poll.ts";
import { THEMES, type Theme } from "../state/theme.ts";
import { formatCount, formatTime } from "../text/format.ts";
import { silentWorkersText } from "../text/words.ts";
import { ConfigView } from "./config/config.tsx";
import { ConnectionsView } from "./connections/connections.tsx";
import { DrainsView } from "./drains/drains.tsx";
import { EventsView } from "./events/events.tsx";
import { HubsView } from "./hubs/hubs.tsx";
import { Login } from "./login.tsx";
import { OverviewView } from "./overview/overview.tsx";
import { RoutesView } from "./routes/routes.tsx";

const ACTIVITY_MS = 2_000;

const TITLES: Readonly<Record<View, string>> = {
	overview: "Overview",
	routes: "Routes",
	hubs: "Hubs",
	connections: "Connections",
	drains: "Drains",
	config: "Configuration",
	events: "Events",
};

const CONTENT: Readonly<Record<View, () => preact.JSX.Element>> = {
	overview: OverviewView,
	routes: RoutesView,
	hubs: HubsView,
	connections: ConnectionsView,
	drains: DrainsView,
	config: ConfigView,
	events: EventsView,
};

export function Shell() {
	const { session } = useApp();
	return (
		<>
			{session.needsLogin.value ? <Login /> : <Dashboard />}
			<Toasts />
		</>
	);
}

function Dashboard() {
	const { activity, location } = useApp();
	usePoll((abort) => activity.refresh(abort), ACTIVITY_MS);
	const { view } = location.place.value;
	const main = useRef<HTMLElement>(null);
	const first = useRef(true);
	useEffect(() => {
		document.title = `${TITLES[view]} – Clawgate`;
		// Who follows a link to another view goes on reading there.
		if (!first.current) main.current?.focus({ preventScroll: true });
		first.current = false;
	}, [view]);
	const Content = CONTENT[view];
	return (
		<>
			<a
				class="skip"
				href={hashOf(view)}
				onClick={(event) => {
					event.preventDefault();
					main.current?.focus();
				}}
			>
				Skip to the content
			</a>
			<Header view={view} />
			<Unreachable />
			<SilentWorkers />
			<main ref={main} tabIndex={-1} aria-labelledby="view-title">
				<h1 id="view-title" class={view === "overview" ? "visually-hidden" : ""}>
					{TITLES[view]}
				</h1>
				<Content />
			</main>
		</>
	);
}

function Header({ view }: { view: View }) {
	const { session, theme, location } = useApp();
	return (
		<header class="page-head">
			<div class="brand">
				<svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
					<rect width="32" height="32" rx="7" class="brand-back" />
					<path d="M9 24V13a7 7 0 0 1 14 0v11M16 10v14" class="brand-mark" />
				</svg>
				<span class="brand-name">Clawgate</span>
				<span class="brand-host">{window.location.host}</span>
			</div>
			<nav aria-label="Views">
				<ul>
					{(Object.keys(TITLES) as View[]).map((each) => (
						<li key={each}>
							<a
								href={hashOf(each)}
								aria-current={each === view ? "page" : undefined}
								onClick={() => {
									// A second click on the view that is shown takes its filters away.
									if (each === view) location.go(hashOf(each));
								}}
							>
								{TITLES[each]}
							</a>
						</li>
					))}
				</ul>
			</nav>
			<div class="head-tools">
				<GatewayStatus />
				<label class="theme">
					<span class="visually-hidden">Colours</span>
					<select
						value={theme.value}
						onChange={(event) => {
							theme.value = event.currentTarget.value as Theme;
						}}
					>
						{THEMES.map((each) => (
							<option key={each} value={each} selected={each === theme.value}>
								{{ auto: "◐ auto", light: "○ light", dark: "● dark" }[each]}
							</option>
						))}
					</select>
				</label>
				{session.token.value !== undefined && (
					<button type="button" onClick={() => session.signOut()}>
						Sign out
					</button>
				)}
			</div>
		</header>
	);
}

function GatewayStatus() {
	const { activity, client } = useApp();
	const state = activity.state.value;
	if (client.unreachableSince.value !== undefined) return <Status tone="bad">no answer</Status>;
	if (!state) return <Status tone="busy">connecting</Status>;
	const { connections, stopping, missing_workers = [] } = state.activity;
	if (stopping) return <Status tone="warn">shutting down, {formatCount(connections)} open</Status>;
	return <Status tone={missing_workers.length > 0 ? "warn" : "good"}>{formatCount(connections)} open</Status>;
}

function SilentWorkers() {
	const { activity } = useApp();
	const silent = activity.state.value?.activity.missing_workers ?? [];
	return (
		<div role="alert">
			{silent.length > 0 && (
				<p class="banner">
					<Status tone="bad">{silentWorkersText(silent)}</Status>
				</p>
			)}
		</div>
	);
}

function Unreachable() {
	const { client } = useApp();
	const since = client.unreachableSince.value;
	return (
		<div role="alert">
			{since !== undefined && (
				<p class="banner">
					<Status tone="bad">
						No answer from the gateway since {formatTime(since)}. What is shown is from before; it is tried again.
					</Status>
				</p>
			)}
		</div>
	);
}
