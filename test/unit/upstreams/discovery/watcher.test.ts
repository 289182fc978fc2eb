import { describe, expect, it, onTestFinished } from "vitest";
import { type DiscoverySource, LookUpFailed } from "../../../../src/upstreams/discovery/source.ts";
import { Watcher } from "../../../../src/upstreams/discovery/watcher.ts";
import type { EndpointConfig } from "../../../../src/upstreams/endpoint.ts";
import { until, within } from "../../../harness/poll.ts";

const endpoints = (...letters: string[]): EndpointConfig[] =>
	letters.map((letter) => ({ url: `ws://${letter}:1`, weight: 1, state: "ready", backup: false }));

/** A watcher whose source gives the first answer of the list, and then the next, the last one for ever. */
function watch(answers: (EndpointConfig[] | string | (() => Promise<EndpointConfig[]>))[], interval = 10) {
	const events: string[] = [];
	let lookUps = 0;
	let open = 0;
	let most = 0;
	let refusals = 0;
	const source: DiscoverySource = {
		question: "A chat.internal",
		lookUp: async () => {
			const answer = answers[Math.min(lookUps++, answers.length - 1)];
			most = Math.max(most, ++open);
			try {
				if (typeof answer === "string") throw new LookUpFailed(answer);
				return typeof answer === "function" ? await answer() : (answer as EndpointConfig[]);
			} finally {
				open--;
			}
		},
	};
	const watcher = new Watcher(source, interval, {
		clock: () => performance.now(),
		onChange: (found) => {
			if (refusals > 0) {
				refusals--;
				throw new Error("cannot be used");
			}
			events.push(found.map(({ url }) => url.charAt(5)).join(""));
		},
		onFailed: (reason) => events.push(`failed: ${reason}`),
		onRecovered: () => events.push("recovered"),
	});
	onTestFinished(() => watcher.stop());
	const asked = (count: number) => until(() => lookUps > count, { what: `${count} look-ups` });
	return {
		watcher,
		events,
		asked,
		lookUps: () => lookUps,
		most: () => most,
		refuse: (count: number) => {
			refusals = count;
		},
	};
}

describe("what it tells", () => {
	it("each change once, and nothing when only the order is another", async () => {
		const { events, asked } = watch([
			endpoints("b", "a"),
			endpoints("a", "b"),
			endpoints("a"),
			endpoints("a"),
			endpoints("c", "a"),
		]);
		await asked(8);
		expect(events).toEqual(["ab", "a", "ac"]);
	});

	it("a changed weight is a change", async () => {
		const [a] = endpoints("a") as [EndpointConfig];
		const { events, asked } = watch([[a], [{ ...a, weight: 2 }]]);
		await asked(4);
		expect(events).toEqual(["a", "a"]);
	});

	it("a failure once for each reason in a row, and when it is over; the answer before it is still known", async () => {
		const { events, asked } = watch([
			endpoints("a"),
			"SERVFAIL",
			"SERVFAIL",
			"timeout",
			"timeout",
			endpoints("a"),
			"timeout",
			endpoints("b"),
		]);
		await asked(10);
		expect(events).toEqual([
			"a",
			"failed: SERVFAIL",
			"failed: timeout",
			"recovered",
			"failed: timeout",
			"b",
			"recovered",
		]);
	});

	it("an answer that could not be used again, until it could", async () => {
		const { events, asked, refuse } = watch([endpoints("a"), endpoints("b")], 30);
		refuse(1);
		await asked(4);
		expect(events).toEqual(["failed: cannot be used", "b", "recovered"]);
	});
});

describe("when it asks", () => {
	it("never twice at a time, also when an answer takes longer than the interval", async () => {
		const slow = () => new Promise<EndpointConfig[]>((resolve) => setTimeout(() => resolve(endpoints("a")), 40));
		const { asked, most } = watch([slow], 10);
		await asked(5);
		expect(most()).toBe(1);
	});

	it("soon again while there has never been an answer", async () => {
		const { events } = watch(["SERVFAIL", endpoints("a")], 3_600_000);
		await until(() => events.length > 1, { what: "the second answer" });
		expect(events).toEqual(["failed: SERVFAIL", "a", "recovered"]);
	});

	it("not any more after stop(), and what is under way then is dropped", async () => {
		let finish: (found: EndpointConfig[]) => void = () => undefined;
		const { watcher, events, lookUps, asked } = watch([
			endpoints("a"),
			() =>
				new Promise((resolve) => {
					finish = resolve;
				}),
		]);
		await asked(1);
		watcher.stop();
		finish(endpoints("b"));
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(events).toEqual(["a"]);
		expect(lookUps()).toBe(2);
	});
});

describe("ready", () => {
	it("comes with the first answer", async () => {
		const { watcher, events } = watch(["SERVFAIL", "SERVFAIL", endpoints("a")], 50);
		await within(watcher.ready, { what: "ready" });
		expect(events.length).toBeGreaterThanOrEqual(1);
	});

	it("does not wait longer than the interval", async () => {
		const { watcher } = watch([() => new Promise(() => undefined)], 30);
		await within(watcher.ready, { timeout: 1_500, what: "ready without an answer" });
	});

	it("does not keep anybody waiting after stop()", async () => {
		const { watcher } = watch([() => new Promise(() => undefined)], 3_600_000);
		watcher.stop();
		await within(watcher.ready, { timeout: 1_500, what: "ready after stop()" });
	});
});
