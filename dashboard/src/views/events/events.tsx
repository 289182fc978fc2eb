/** What happens, as it happens: the last few hundred events. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ServerSentEvent } from "../../api/server-sent-events.ts";
import { followEvents } from "../../api/stream.ts";
import { Empty, Panel, TableFrame } from "../../parts/panel.tsx";
import { Status, StatusIcon } from "../../parts/status.tsx";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { type EventLine, eventLine } from "../../text/event-line.ts";
import { formatCount, formatTime } from "../../text/format.ts";

/** Older ones are forgotten: a busy gateway has thousands in a second. */
const KEPT = 500;
/** A page that is painted anew for each event would do nothing else. */
const PAINT_MS = 250;
const RECENT = 256;

const KINDS = [
	{ key: "opens", label: "Opens", names: ["ws.open"] },
	{ key: "closes", label: "Closes", names: ["ws.close"] },
	{ key: "rejections", label: "Rejections", names: ["ws.reject"] },
	{
		key: "gateway",
		label: "Endpoints, drains, configuration",
		names: ["endpoint.", "breaker.", "drain.", "config.", "discovery.", "worker."],
	},
] as const;

type Kind = (typeof KINDS)[number]["key"];

export function EventsView() {
	const { location } = useApp();
	const hidden = new Set((location.place.value.params.get("without") ?? "").split(","));
	const kinds = KINDS.filter(({ key }) => !hidden.has(key));
	const [paused, setPaused] = useState(false);
	const names = kinds.flatMap((kind) => [...kind.names]);
	const { lines, total, open } = useEvents(names, paused);
	const toggle = (kind: Kind): void => {
		const without = KINDS.filter(({ key }) => (key === kind ? !hidden.has(key) : hidden.has(key)));
		location.set({ without: without.map(({ key }) => key).join(",") });
	};
	return (
		<Panel
			title={
				<Status tone={paused ? "off" : open ? "good" : "busy"}>
					{paused ? "Paused" : open ? "Live" : "Connecting"}
				</Status>
			}
			actions={
				<button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>
					Pause
				</button>
			}
		>
			<fieldset class="kinds">
				<legend class="visually-hidden">Kinds of events</legend>
				{KINDS.map(({ key, label }) => (
					<label class="choice" key={key}>
						<input type="checkbox" checked={!hidden.has(key)} onChange={() => toggle(key)} />
						<span>{label}</span>
					</label>
				))}
				<span class="secondary">
					{formatCount(total)} seen, the last {KEPT} are kept
				</span>
			</fieldset>
			{lines.length === 0 ? (
				<Empty>{kinds.length === 0 ? "Choose what to see." : "Nothing has happened yet."}</Empty>
			) : (
				<EventTable lines={lines} />
			)}
		</Panel>
	);
}

function EventTable({ lines }: { lines: readonly EventLine[] }) {
	return (
		<TableFrame label="Events, the newest first">
			<table class="events">
				<thead>
					<tr>
						<th scope="col">Time</th>
						<th scope="col">Event</th>
						<th scope="col">Route</th>
						<th scope="col">What</th>
					</tr>
				</thead>
				<tbody>
					{lines.map(({ id, time, name, tone, text, route, connectionId }) => (
						<tr key={id}>
							<td class="mono">{formatTime(time)}</td>
							<td>
								<span class="status">
									<StatusIcon tone={tone} />
									{connectionId !== undefined && name === "ws.open" ? (
										<a href={hashOf("connections", { id: connectionId })}>{name}</a>
									) : (
										<span>{name}</span>
									)}
								</span>
							</td>
							<td>{route ?? "–"}</td>
							<td class="wrap">{text}</td>
						</tr>
					))}
				</tbody>
			</table>
		</TableFrame>
	);
}

interface Events {
	/** The newest first. */
	readonly lines: readonly EventLine[];
	readonly total: number;
	readonly open: boolean;
}

/** Follows the stream while it is not paused and the page is seen. */
function useEvents(names: readonly string[], paused: boolean): Events {
	const { client } = useApp();
	const [events, setEvents] = useState<Events>({ lines: [], total: 0, open: false });
	const total = useRef(0);
	const visible = useVisible();
	const key = names.join(",");

	useEffect(() => {
		setEvents((before) => ({ ...before, open: false }));
		if (paused || !visible || key === "") return;
		const kept: ServerSentEvent[] = [];
		let timer: ReturnType<typeof setTimeout> | undefined;
		let open = false;
		total.current = 0;
		const paint = (): void => {
			timer = undefined;
			const lines = kept.toReversed().map(({ id, event, data }) => eventLine(id, event, data));
			setEvents({ lines, total: total.current, open });
		};
		const soon = (): void => {
			timer ??= setTimeout(paint, PAINT_MS);
		};
		const stop = followEvents(client, key.split(","), RECENT, {
			events: (some) => {
				total.current += some.length;
				kept.push(...some.slice(-KEPT));
				kept.splice(0, kept.length - KEPT);
				soon();
			},
			connected: (now) => {
				open = now;
				soon();
			},
		});
		return () => {
			clearTimeout(timer);
			stop();
		};
	}, [client, key, paused, visible]);

	return events;
}

function useVisible(): boolean {
	const [visible, setVisible] = useState(!document.hidden);
	useEffect(() => {
		const changed = (): void => setVisible(!document.hidden);
		document.addEventListener("visibilitychange", changed);
		return () => document.removeEventListener("visibilitychange", changed);
	}, []);
	return visible;
}
