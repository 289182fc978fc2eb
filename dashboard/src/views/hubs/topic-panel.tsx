/** One topic live: what was published last, who is there, and publishing by hand. */
import { useState } from "preact/hooks";
import type { HubPublication, HubTopic } from "../../api/model.ts";
import { TextField } from "../../parts/field.tsx";
import { Empty, LoadError, Panel, TableFrame } from "../../parts/panel.tsx";
import { useAction } from "../../state/action.ts";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { usePoll } from "../../state/poll.ts";
import { formatCount, formatRate, formatTime, plural } from "../../text/format.ts";

const POLL_MS = 1_000;
/** Of one publication. */
const MOST_CHARACTERS = 500;

export function TopicPanel({ hub, topic }: { hub: string; topic: string }) {
	const { api, location } = useApp();
	const { data, error, refresh } = usePoll((abort) => api.hubTopic(hub, topic, abort), POLL_MS);
	return (
		<Panel
			class="topic"
			title={`Topic ${topic}`}
			actions={
				<button type="button" onClick={() => location.set({ topic: undefined })}>
					Close
				</button>
			}
		>
			<LoadError error={error} />
			{data && (
				<>
					<p class="secondary">
						Rule <span class="mono">{data.rule}</span> · {plural(data.subscribers, "subscriber")} ·{" "}
						{formatRate(data.publications_per_second)} published a second
						{data.position && ` · stands at ${formatCount(data.position.offset)} of epoch ${data.position.epoch}`}
					</p>
					<PublishForm hub={hub} topic={topic} onPublished={refresh} />
					<History history={data.history} />
					<Presence topic={data} />
				</>
			)}
		</Panel>
	);
}

function PublishForm({ hub, topic, onPublished }: { hub: string; topic: string; onPublished: () => void }) {
	const { api, notices } = useApp();
	const [text, setText] = useState("");
	const { run, busy, error } = useAction();
	const publish = (): void =>
		run(async () => {
			const { position, subscribers } = await api.hubPublish(hub, topic, parsed(text));
			const place = position === null ? "" : ` as number ${formatCount(position.offset)}`;
			notices.done(`Published${place} to ${plural(subscribers, "subscriber")}.`);
			onPublished();
		});
	return (
		<form
			aria-label="Publish"
			onSubmit={(event) => {
				event.preventDefault();
				if (!busy) publish();
			}}
		>
			<div class="field-row bottom">
				<TextField label="Publish (JSON)" placeholder='{"rating": 1510}' required value={text} onValue={setText} />
				<button type="submit" class="primary" disabled={busy}>
					Publish
				</button>
			</div>
			<p class="form-error" role="alert">
				{error}
			</p>
		</form>
	);
}

/** @throws Error in words for whoever typed it */
function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw new Error('This is not JSON. A text stands in quotes: "hello"');
	}
}

function History({ history }: { history: readonly HubPublication[] | null }) {
	if (history === null) return <Empty>The rule keeps no history.</Empty>;
	if (history.length === 0) return <Empty>Nothing is kept now.</Empty>;
	return (
		<TableFrame label="Last publications">
			<table>
				<thead>
					<tr>
						<th scope="col" class="number">
							Number
						</th>
						<th scope="col">Time</th>
						<th scope="col">By</th>
						<th scope="col">Data</th>
					</tr>
				</thead>
				<tbody>
					{history.map((publication) => (
						<tr key={publication.offset}>
							<td class="number">{formatCount(publication.offset)}</td>
							<td>{formatTime(publication.time)}</td>
							<td>{publication.client === undefined ? "a backend" : publication.user || publication.client}</td>
							<td class="mono wrap">{dataText(publication)}</td>
						</tr>
					))}
				</tbody>
			</table>
		</TableFrame>
	);
}

function dataText({ data, data_base64 }: HubPublication): string {
	const text = data_base64 ?? JSON.stringify(data);
	return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

function Presence({ topic: { presence } }: { topic: HubTopic }) {
	if (presence === null) return <p class="secondary">The rule does not keep who is there.</p>;
	const more = presence.connections - presence.list.length;
	return (
		<>
			<p>
				There: {plural(presence.connections, "connection")} of {plural(presence.users, "user")}
			</p>
			<ul class="kinds">
				{presence.list.map(({ client, user }) => (
					<li key={client}>
						<a href={hashOf("connections", { id: client })}>{user || client}</a>
					</li>
				))}
				{more > 0 && <li class="secondary">{formatCount(more)} more</li>}
			</ul>
		</>
	);
}
