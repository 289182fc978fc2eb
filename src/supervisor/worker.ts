/** A worker: serves the connections that the supervisor hands over, with the configuration that it is told. */
import { ShutDown } from "../gateway/shutdown.ts";
import { fileReader } from "../gateway/snapshot.ts";
import { GatewayProcess } from "../gateway-process.ts";
import type { Change, Forecast } from "../reload.ts";
import { HandedOver, type SocketHandle } from "../server/handed-over.ts";
import { TicketKeys } from "../server/ticket-keys.ts";
import { workerSequence } from "./admin/sequence.ts";
import { drainEvents, sayFarewell, serveSupervisor } from "./admin/worker-end.ts";
import { Channel } from "./channel.ts";
import type { SupervisorChannel, WorkerStart } from "./contract.ts";
import { applyHealth } from "./health.ts";
import { type NextConfig, ReceivedConfigs } from "./send-config.ts";
import { RemoteCounters, remoteUpstreams } from "./shared/remote.ts";
import type { ConnectionMessage } from "./worker-process.ts";

/** Making a certificate takes a while on a busy machine, ms. */
const CERTIFICATE_MS = 30_000;

/** Serves until it is told to stop, or the supervisor is gone; then the process ends. */
export function runWorker(): void {
	const channel: SupervisorChannel = new Channel(process as never);
	let worker: Worker | undefined;
	const serving = (): Worker => {
		if (worker === undefined) throw new Error("the worker has not been started");
		return worker;
	};
	const received = new ReceivedConfigs();
	channel.handle("part", (part) => received.add(part));
	channel.handle("start", (told) => {
		process.title = `clawgate worker ${told.number}`;
		worker = new Worker(channel, told, received.take(told));
		return worker.open();
	});
	channel.handle("prepare", (next) => serving().prepare(received.take(next)));
	channel.handle("commit", () => serving().commit());
	channel.handle("abandon", () => serving().abandon());
	channel.handle("discovered", (now) => void serving().process.follow(now));
	channel.handle("health", (facts) => applyHealth(serving().process, facts));
	channel.handle("ticketSecret", (secret) => serving().ticketKeys.replace(Buffer.from(secret)));
	channel.handle("stop", ({ immediately }) => serving().stop({ immediately, delay: 0 }));
	process.on("message", (message, handle) => {
		const { connection } = message as Partial<ConnectionMessage>;
		if (connection === undefined || handle === undefined) return;
		channel.tell("took", undefined);
		serving().handedOver.take(connection, handle as unknown as SocketHandle);
	});
	process.on("disconnect", () => {
		if (worker) worker.orphaned();
		else process.exit();
	});
	channel.tell("hello", { pid: process.pid });
}

class Worker {
	readonly process: GatewayProcess;
	readonly ticketKeys: TicketKeys;
	readonly handedOver: HandedOver;
	readonly #channel: SupervisorChannel;
	readonly #number: number;
	readonly #listeners: NextConfig["config"]["listeners"];
	#ports: NextConfig["ports"];
	#prepared: Change | undefined;
	/** Counts what was prepared or abandoned: an abandon may come while files are still being read. */
	#attempt = 0;
	#stopping: ShutDown | undefined;

	constructor(channel: SupervisorChannel, told: WorkerStart, { config, contents }: NextConfig) {
		this.#channel = channel;
		this.#number = told.number;
		this.#listeners = config.listeners;
		this.#ports = told.ports;
		this.ticketKeys = new TicketKeys(Buffer.from(told.ticketSecret));
		this.handedOver = new HandedOver(
			(listener) => this.#ports[listener] ?? 0,
			(listener) => channel.tell("left", listener),
		);
		this.process = new GatewayProcess({
			config,
			contents,
			sharesStdout: true,
			discovered: told.discovered,
			ticketKeys: this.ticketKeys,
			shared: {
				openDoor: this.handedOver.open,
				handedOver: true,
				counters: new RemoteCounters(channel),
				upstreams: remoteUpstreams(channel, told.number),
				nextSequence: workerSequence(told.number, Date.now),
				drainEvents: drainEvents(channel, () => this.process.gateway.events),
				selfSigned: (names) => channel.call("selfSigned", names, CERTIFICATE_MS),
			},
		});
		applyHealth(this.process, told.health);
	}

	/** Resolves when connections can come. */
	async open(): Promise<void> {
		const { gateway, metrics, listeners } = this.process;
		await serveSupervisor(this.#channel, gateway, metrics);
		await listeners.open(this.#listeners, fileReader(this.process.contents));
	}

	async prepare({ config, contents, ports }: NextConfig): Promise<Forecast> {
		this.abandon();
		const attempt = this.#attempt;
		this.#ports = ports;
		const change = await this.process.prepare(config, contents);
		if (attempt === this.#attempt) {
			this.#prepared = change;
			return change.forecast;
		}
		await change.abandon();
		throw new Error("the reload was given up meanwhile");
	}

	async commit() {
		const prepared = this.#prepared;
		if (prepared === undefined) throw new Error("there is nothing to commit");
		this.#prepared = undefined;
		return await prepared.commit();
	}

	abandon(): void {
		this.#attempt++;
		// Doors of a worker are no sockets: there is nothing to wait for, and nothing that fails.
		void this.#prepared?.abandon();
		this.#prepared = undefined;
	}

	/** @param delay ms; the configuration's without it */
	stop({ immediately, delay }: { immediately: boolean; delay?: number }): void {
		if (this.#stopping === undefined) {
			this.#stopping = new ShutDown(this.process.gateway, this.process.listeners, delay);
			void this.#stopping.done.then(() => this.#end());
		}
		if (immediately) this.#stopping.cut();
	}

	/** Nobody hands connections over any more, and nobody else would end the process. */
	orphaned(): void {
		if (this.#stopping) return;
		const { events, connections } = this.process.gateway;
		events.notice("error", "worker.orphaned", {
			worker: this.#number,
			pid: process.pid,
			connections: connections.size,
			message: "the supervisor is gone: this worker drains its connections as on SIGTERM and ends",
		});
		this.stop({ immediately: false });
	}

	async #end(): Promise<void> {
		await sayFarewell(this.#channel, this.process.metrics);
		await this.process.close();
		await this.process.log.stop();
		process.exit(0);
	}
}
