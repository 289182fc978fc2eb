/** Everything about one open connection. */
import type { ComponentChildren } from "preact";
import type { Connection } from "../../api/model.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { LoadError } from "../../parts/panel.tsx";
import { Status } from "../../parts/status.tsx";
import { useApp } from "../../state/app.ts";
import { hashOf } from "../../state/location.ts";
import { usePoll } from "../../state/poll.ts";
import { type RateOf, useRates } from "../../state/rates.ts";
import { formatBytes, formatCount, formatDuration, formatRate, formatRtt } from "../../text/format.ts";

const POLL_MS = 2_000;

interface DetailsProps {
	readonly id: string;
	readonly onClose: () => void;
	readonly onCloseConnection: (connection: Connection) => void;
}

export function Details({ id, onClose, onCloseConnection }: DetailsProps) {
	const { api } = useApp();
	const { data, error } = usePoll(async (abort) => [await api.connection(id, abort)], POLL_MS, id);
	const connection = data?.[0];
	const rateOf = useRates(
		connection && (data as readonly Connection[]),
		({ connection_id }) => connection_id,
		({ messages_in, messages_out, bytes_in, bytes_out }) => ({ messages_in, messages_out, bytes_in, bytes_out }),
		() => performance.now(),
	);
	return (
		<Dialog title={connection ? `Connection of ${connection.client_ip}` : "Connection"} drawer onClose={onClose}>
			<LoadError error={error} />
			{data && !connection && <p class="empty">This connection is not open any more. Its close is in the log.</p>}
			{connection && (
				<>
					<Facts connection={connection} rateOf={rateOf} />
					<footer class="dialog-foot">
						<a class="button" href={hashOf("connections", { client_ip: connection.client_ip })}>
							All of this client
						</a>
						<button type="button" class="danger" onClick={() => onCloseConnection(connection)}>
							Close this connection…
						</button>
					</footer>
				</>
			)}
		</Dialog>
	);
}

type Counter = "messages_in" | "messages_out" | "bytes_in" | "bytes_out";

function Facts({ connection, rateOf }: { connection: Connection; rateOf: RateOf<Counter> }) {
	const { connection_id: id, rtt_ms, draining, closing } = connection;
	const rate = (key: Counter, format: (value: number) => string): string => {
		const now = rateOf(id, key);
		const average = (connection[key] * 1000) / Math.max(1, connection.age_ms);
		return `${now === undefined ? "…" : format(now)}/s now, ${format(average)}/s on average`;
	};
	return (
		<>
			<Group title="Now">
				<Fact name="State">
					<Status tone={closing || draining ? "busy" : "good"}>
						{closing ? "closing" : draining ? "on the list of a drain" : "open"}
					</Status>
				</Fact>
				<Fact name="Age">{formatDuration(connection.age_ms)}</Fact>
				<Fact name="Answers a ping in">
					client {formatRtt(rtt_ms.client)}, backend {formatRtt(rtt_ms.backend)}
				</Fact>
			</Group>
			<Group title="Traffic">
				<Fact name="Messages in">
					{formatCount(connection.messages_in)} <Note>{rate("messages_in", formatRate)}</Note>
				</Fact>
				<Fact name="Messages out">
					{formatCount(connection.messages_out)} <Note>{rate("messages_out", formatRate)}</Note>
				</Fact>
				<Fact name="Bytes in">
					{formatBytes(connection.bytes_in)} <Note>{rate("bytes_in", formatBytes)}</Note>
				</Fact>
				<Fact name="Bytes out">
					{formatBytes(connection.bytes_out)} <Note>{rate("bytes_out", formatBytes)}</Note>
				</Fact>
			</Group>
			<Group title="Where to">
				<Fact name="Listener">{connection.listener}</Fact>
				<Fact name="Route">{connection.route}</Fact>
				<Fact name="Upstream">{connection.upstream}</Fact>
				<Fact name="Endpoint">{connection.endpoint}</Fact>
				<Fact name="Subprotocol">{connection.subprotocol}</Fact>
			</Group>
			<Group title="Request">
				<Fact name="Client">{connection.client_ip}</Fact>
				{connection.peer_ip !== connection.client_ip && <Fact name="Through">{connection.peer_ip}</Fact>}
				<Fact name="User">{connection.user}</Fact>
				<Fact name="Host">{connection.host}</Fact>
				<Fact name="Path">{connection.path}</Fact>
				<Fact name="Origin">{connection.origin}</Fact>
				<Fact name="User agent">{connection.user_agent}</Fact>
				<Fact name="HTTP">{connection.http_version}</Fact>
				<Fact name="TLS">{connection.tls_version}</Fact>
				<Fact name="Connection id">{id}</Fact>
				<Fact name="Trace id">{connection.trace_id}</Fact>
			</Group>
		</>
	);
}

function Group({ title, children }: { title: string; children: ComponentChildren }) {
	return (
		<section class="facts">
			<h3>{title}</h3>
			<dl>{children}</dl>
		</section>
	);
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
	return (
		<div>
			<dt>{name}</dt>
			<dd>{children ?? <span class="secondary">–</span>}</dd>
		</div>
	);
}

function Note({ children }: { children: ComponentChildren }) {
	return <span class="secondary">{children}</span>;
}
