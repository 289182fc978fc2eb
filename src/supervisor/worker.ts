/** A worker: serves the connections that the supervisor hands over, with the configuration that it is told. */
import { ShutDown } from "../gateway/shutdown.ts";
import { fileReader } from "../gateway/snapshot.ts";
import { GatewayProcess } from "../gateway-process.ts";
import { installLastResort } from "../last-resort.ts";
import type { Change, Forecast } from "../reload.ts";
import { HandedOver, type SocketHandle } from "../server/handed-over.ts";
import { TicketKeys } from "../server/ticket-keys.ts";
import { hasDescriptors, reservedFromClients } from "../sockets/descriptors.ts";
import { workerSequence } from "./admin/sequence.ts";
import { drainEvents, sayFarewell, serveSupervisor } from "./admin/worker-end.ts";
import { Channel } from "./channel.ts";
import type { SupervisorChannel, WorkerStart } from "./contract.ts";
import { applyHealth } from "./health.ts";
import { remoteHubEngines } from "./hub-engine.ts";
import { type NextConfig, ReceivedConfigs } from "./send-config.ts";
import { machineClock } from "./shared/clock.ts";
import { RemoteCounters, remoteUpstreams } from "./shared/remote.ts";
import { TunnelNewsSender } from "./tunnel-news.ts";
import type { ConnectionMessage } from "./worker-process.ts";

/** What a stop may take beyond its delay and drain, ms. */
const GRACE_MS = 10_000;
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
		const started = new Worker(channel, told, received.take(told));
		worker = started;
		installLastResort(started.process.gateway.events, () => started.fail());
		return started.open();
	});
	channel.handle("prepare", (next) => serving().prepare(received.take(next)));
	channel.handle("commit", () => serving().commit());
	channel.handle("abandon", () => serving().abandon());
	// All workers are told, also before they start; the one that starts has a handler of its own.
	channel.handle("rateUsedUp", () => undefined);
	channel.handle("discovered", (now) => void serving().process.follow(now));
	channel.handle("health", (facts) => applyHealth(serving().process, facts));
	channel.handle("ticketSecret", (secret) => serving().ticketKeys.replace(Buffer.from(secret)));
	channel.handle("stop", ({ immediately }) => serving().stop({ immediately, delay: 0 }));
	channel.handle("beat", () => {
		worker?.news.flush();
		return { room: hasDescriptors() };
	});
	process.on("message", (message, sent) => {
		const { connection, number, until } = message as Partial<ConnectionMessage>;
		// Without a handle there was no descriptor for it: the supervisor notices that nobody answers.
		if (connection === undefined || number === undefined || until === undefined || sent === undefined) return;
		const handle = sent as unknown as SocketHandle;
		const full = reservedFromClients(handle.fd);
		if (full || machineClock() > until || serving().stopping) {
			handle.close();
			channel.tell("refused", { number, full });
			return;
		}
		channel.tell("took", number);
		serving().handedOver.take(connection, handle);
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
	readonly news: TunnelNewsSender;
	readonly #channel: SupervisorChannel;
	readonly #number: number;
	readonly #listeners: NextConfig["config"]["listeners"];
	#ports: NextConfig["ports"];
	#prepared: Change | undefined;
	/** Counts what was prepared or abandoned: an abandon may come while files are still being read. */
	#attempt = 0;
	#stopping: ShutDown | undefined;
	#exitCode = 0;

	constructor(channel: SupervisorChannel, told: WorkerStart, { config, contents }: NextConfig) {
		this.#channel = channel;
		this.#number = told.number;
		this.#listeners = config.listeners;
		this.#ports = told.ports;
		this.ticketKeys = new TicketKeys(Buffer.from(told.ticketSecret));
		this.news = new TunnelNewsSender(channel, Date.now);
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
				hubEngine: remoteHubEngines(channel),
				nextSequence: workerSequence(told.number, Date.now),
				beforeLines: () => this.news.flush(),
				drainEvents: drainEvents(channel, () => this.process.gateway.events),
				selfSigned: (names) => channel.call("selfSigned", names, CERTIFICATE_MS),
			},
		});
		this.process.gateway.events.add(this.news);
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
			const { gateway, listeners } = this.process;
			const { shutdown } = gateway.snapshot.config;
			this.#stopping = new ShutDown(gateway, listeners, delay);
			// The supervisor would do it, if there still is one.
			const longest = (delay ?? shutdown.delay) + shutdown.drain.timeout + GRACE_MS;
			setTimeout(() => process.exit(1), longest).unref();
			void this.#stopping.done.then(() => this.#end());
		}
		if (immediately) this.#stopping.cut();
	}

	/** It takes no further connections. */
	get stopping(): boolean {
		return this.#stopping !== undefined;
	}

	/** It cannot be trusted any more. The exit code makes the supervisor replace it. */
	fail(): void {
		this.#channel.tell("failing", undefined);
		this.#exitCode = 1;
		this.stop({ immediately: false, delay: 0 });
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
		this.news.flush();
		await sayFarewell(this.#channel, this.process.metrics);
		await this.process.close();
		await this.process.log.stop();
		process.exit(this.#exitCode);
	}
}
