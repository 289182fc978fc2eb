/**
 * Clients of Centrifugo's SDK whose sockets are cut again and again while a backend publishes: what each of them got has to
 * be without a gap and without a double wherever it was told that it has recovered.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Centrifuge } from "centrifuge";
import { WebSocket } from "ws";
import { until } from "./poll.ts";

export interface HubStorm {
	/** Of a route with a centrifuge hub that lets anybody in. */
	readonly url: string;
	/** Where to publish: `http://127.0.0.1:9091`. */
	readonly api: string;
	/** Its history holds everything. */
	readonly wide: string;
	/** Its history holds less than a client misses that is away for long. */
	readonly narrow: string;
	readonly clients: number;
	/** How often each socket is cut. */
	readonly cuts: number;
	/** Publications a second, and for how long (ms). */
	readonly rate: number;
	readonly duration: number;
	/** A number in [0, 1). */
	readonly random: () => number;
	/** Called in the middle. */
	readonly halfway?: () => Promise<void>;
}

export interface StormResult {
	readonly published: number;
	/** Subscriptions after a cut, by whether they were told that they have recovered. */
	readonly recovered: number;
	readonly lost: number;
	/** What is wrong, in words. */
	readonly faults: readonly string[];
}

interface Follower {
	readonly topic: string;
	/** Offset and data in the order of arrival; undefined = told that something is missing. */
	readonly got: ([offset: number, data: number] | undefined)[];
	last: number;
}

export async function hubStorm(options: HubStorm): Promise<StormResult> {
	const { url, api, wide, narrow, clients, cuts, rate, duration, random, halfway } = options;
	const sockets = new Set<WebSocket>();
	const followers: Follower[] = [];
	let recovered = 0;
	let lost = 0;
	const faults: string[] = [];
	class Noted extends WebSocket {
		constructor(address: string | URL, protocols?: string | string[]) {
			super(address, protocols);
			sockets.add(this);
			this.once("close", () => sockets.delete(this));
		}
	}
	const all = Array.from({ length: clients }, () => {
		const centrifuge = new Centrifuge(url, {
			websocket: Noted,
			minReconnectDelay: 20,
			maxReconnectDelay: 500,
			timeout: 20_000,
		});
		for (const topic of [wide, narrow]) {
			const follower: Follower = { topic, got: [], last: 0 };
			followers.push(follower);
			const subscription = centrifuge.newSubscription(topic, { minResubscribeDelay: 20, maxResubscribeDelay: 500 });
			subscription.on("publication", ({ offset = 0, data }) => {
				follower.got.push([offset, data as number]);
				follower.last = offset;
			});
			subscription.on("subscribed", ({ wasRecovering, recovered: whole }) => {
				if (!wasRecovering) return;
				if (whole) recovered++;
				else {
					lost++;
					follower.got.push(undefined);
					if (topic === wide) faults.push(`${topic}: not recovered although its history holds everything`);
				}
			});
			subscription.subscribe();
		}
		centrifuge.connect();
		return centrifuge;
	});
	const started = new Set<Centrifuge>();
	await Promise.all(
		all.map(async (centrifuge) => {
			for (const subscription of Object.values(centrifuge.subscriptions())) await subscription.ready(60_000);
			started.add(centrifuge);
		}),
	);
	const publish = async (topic: string, data: number): Promise<void> => {
		const answer = await fetch(`${api}/api/publish`, { method: "POST", body: JSON.stringify({ topic, data }) });
		const body = (await answer.json()) as { error?: { message: string } };
		if (body.error) throw new Error(body.error.message);
	};
	const total = Math.round((rate * duration) / 1000 / 2);
	const wanted = cuts * clients;
	let cut = 0;
	let halfwayDone: Promise<void> | undefined;
	const begun = performance.now();
	for (let index = 1; index <= total; index++) {
		await Promise.all([publish(wide, index), publish(narrow, index)]);
		const share = index / total;
		while (cut < wanted * Math.min(1, share * 1.1)) {
			const open = [...sockets];
			const victim = open[Math.floor(random() * open.length)];
			cut++;
			victim?.terminate();
		}
		if (share >= 0.5) halfwayDone ??= halfway?.() ?? Promise.resolve();
		const due = begun + (index * 2_000) / rate;
		if (due > performance.now()) await pause(due - performance.now());
	}
	await halfwayDone;
	await until(() => followers.every(({ last }) => last === total), {
		timeout: 60_000,
		what: "everybody to have the last publication",
	});
	for (const centrifuge of all) centrifuge.disconnect();
	for (const { topic, got } of followers) faults.push(...faultsOf(topic, got));
	return { published: total * 2, recovered, lost, faults: [...new Set(faults)].slice(0, 20) };
}

/** The publications of a topic are numbered from 1, as are their offsets: one order for all means that both agree. */
function faultsOf(topic: string, got: Follower["got"]): string[] {
	const faults: string[] = [];
	let last = 0;
	let gapAllowed = false;
	for (const each of got) {
		if (each === undefined) {
			gapAllowed = true;
			continue;
		}
		const [offset, data] = each;
		if (offset !== data) faults.push(`${topic}: publication ${data} came with offset ${offset}`);
		if (offset <= last) faults.push(`${topic}: ${offset} came after ${last}`);
		else if (offset > last + 1 && !gapAllowed)
			faults.push(`${topic}: ${offset} came after ${last}, and nobody said so`);
		last = offset;
		gapAllowed = false;
	}
	return faults;
}
